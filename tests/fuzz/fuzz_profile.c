/* SPDX-License-Identifier: MIT */
/* Profile files, as each subcommand of the command reads and shows them. The first byte chooses the line of words, the rest is
 * the file. Whatever the file: no subcommand may crash, hang, or take more memory than a multiple of the file. Its messages go
 * nowhere, and its output to /dev/null.
 *
 * Changes know records: their order, kinds, lengths and the numbers in them.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/profile_format.h"
#include "cli/base/memory.h"
#include "cli/base/message.h"
#include "cli/export/export.h"
#include "cli/flamegraph/flamegraph.h"
#include "cli/show/annotate.h"
#include "cli/show/diff.h"
#include "cli/show/leaks.h"
#include "cli/show/plot.h"
#include "cli/show/report.h"
#include "cli/show/top.h"
#include "cli/show/why.h"

/* ---- Lines of words ---------------------------------------------------------------------------------------------- */

#define WORDS_MOST 6
static char path[32]; /* of the file, in /proc */
#define FILE_WORD "FILE"

static const struct line {
    int (*run)(int count, char **words);
    const char *words[WORDS_MOST];
} lines[] = {
    {gci_report_main, {"report", FILE_WORD, "--no-symbols"}},
    {gci_report_main, {"report", FILE_WORD, "--no-symbols", "--threads", "--stacks=3", "--sizes"}},
    {gci_report_main, {"report", FILE_WORD, "--no-symbols", "--json"}},
    {gci_report_main, {"report", FILE_WORD, "--no-symbols", "--html", "--output=-"}},
    {gci_report_main, {"report", FILE_WORD, "--html", "--output=-", "--compare=" FILE_WORD}},
    {gci_leaks_main, {"leaks", FILE_WORD, "--no-symbols", "--fail-on=1"}},
    {gci_leaks_main, {"leaks", FILE_WORD, "--no-symbols", "--json"}},
    {gci_diff_main, {"diff", FILE_WORD, FILE_WORD, "--no-symbols", "--stacks"}},
    {gci_diff_main, {"diff", FILE_WORD, FILE_WORD, "--no-symbols", "--json", "--per-second"}},
    {gci_why_main, {"why", FILE_WORD, "--no-symbols"}},
    {gci_why_main, {"why", FILE_WORD, "--no-symbols", "--json"}},
    {gci_why_main, {"why", FILE_WORD, "0x100000000040", "--no-symbols"}},
    {gci_why_main, {"why", FILE_WORD, "main", "--no-symbols"}},
    {gci_annotate_main, {"annotate", FILE_WORD, __FILE__, "--no-symbols"}},
    {gci_annotate_main, {"annotate", FILE_WORD, __FILE__, "--no-symbols", "--json"}},
    {gci_top_main, {"top", FILE_WORD, "--no-symbols"}},
    {gci_top_main, {"top", FILE_WORD, "--no-symbols", "--json"}},
    {gci_plot_main, {"plot", FILE_WORD, "--no-symbols"}},
    {gci_plot_main, {"plot", FILE_WORD, "--no-symbols", "--json"}},
    {gci_plot_main, {"plot", FILE_WORD, "--no-symbols", "--of=heap", "--svg=/dev/null"}},
    {gci_flamegraph_main, {"flamegraph", FILE_WORD, "--no-symbols"}},
    {gci_flamegraph_main, {"flamegraph", FILE_WORD, "--no-symbols", "--metric=peak", "--anonymize=x"}},
    {gci_export_main, {"export", FILE_WORD, "--no-symbols", "--format=pprof"}},
    {gci_export_main, {"export", FILE_WORD, "--no-symbols", "--format=speedscope"}},
    {gci_export_main, {"export", FILE_WORD, "--no-symbols", "--format=collapsed"}},
    {gci_export_main, {"export", FILE_WORD, "--no-symbols", "--format=dhat"}},
    {gci_export_main, {"export", FILE_WORD, "--no-symbols", "--format=heapsnapshot", "--anonymize"}},
    {gci_export_main, {"export", FILE_WORD, "--no-symbols", "--format=json"}},
    {gci_export_main, {"export", FILE_WORD, "--format=json", "--anonymize"}},
};
#define LINE_COUNT (sizeof lines / sizeof lines[0])

/* ---- What the command is linked with here ------------------------------------------------------------------------ */

int gci_message_fail(int code, const char *thing, const char *cause, ...)
{
    REQUIRE(thing != NULL && cause != NULL);
    return code;
}

int gci_message_fail_plain(int code, const char *cause, ...)
{
    REQUIRE(cause != NULL);
    return code;
}

/* What the command takes from these two in one run. A profile in memory has room for names, sums and lists beside records. */
#define BYTES_PER_BYTE 2000
#define BYTES_FREE ((size_t)64 << 20)
static size_t taken, file_bytes;

void *__real_gci_memory_take(size_t count, size_t size);
void *__real_gci_memory_grow(void *array, size_t *room, size_t count, size_t size);

static void note_bytes(size_t count, size_t size)
{
    size_t bytes;
    REQUIRE(!__builtin_mul_overflow(count, size, &bytes) && !__builtin_add_overflow(taken, bytes, &taken));
    REQUIRE(taken <= BYTES_FREE + file_bytes * BYTES_PER_BYTE);
}

void *__wrap_gci_memory_take(size_t count, size_t size)
{
    note_bytes(count, size);
    return __real_gci_memory_take(count, size);
}

void *__wrap_gci_memory_grow(void *array, size_t *room, size_t count, size_t size)
{
    if (count > *room)
        note_bytes(count - *room, size);
    return __real_gci_memory_grow(array, room, count, size);
}

/* ---- One input --------------------------------------------------------------------------------------------------- */

/* A file in memory; standard output and input are out of the way. */
static int file_of_input(void)
{
    static int file = -1;
    if (file >= 0)
        return file;
    int sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
    REQUIRE(sink >= 0 && dup2(sink, STDOUT_FILENO) == STDOUT_FILENO);
    close(sink);
    sink = open("/dev/null", O_RDONLY | O_CLOEXEC);
    REQUIRE(sink >= 0 && dup2(sink, STDIN_FILENO) == STDIN_FILENO); /* top asks whether it is a terminal */
    close(sink);
    file = memfd_create("profile", MFD_CLOEXEC);
    REQUIRE(file >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return file;
}

static void run_line(const struct line *line)
{
    static char texts[WORDS_MOST][64];
    char *words[WORDS_MOST + 1];
    int count = 0;
    for (; count < WORDS_MOST && line->words[count] != NULL; count++) {
        const char *word = line->words[count], *file = strstr(word, FILE_WORD);
        int before = (int)(file != NULL ? (size_t)(file - word) : strlen(word));
        snprintf(texts[count], sizeof texts[count], "%.*s%s", before, word, file != NULL ? path : "");
        words[count] = texts[count];
    }
    words[count] = NULL;
    int code = line->run(count, words);
    if (code != 0 && code != 1 && code != EXIT_OWN_FAILURE)
        fprintf(stderr, "%s: exit code %d\n", line->words[0], code);
    REQUIRE(code == 0 || code == 1 || code == EXIT_OWN_FAILURE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int file = file_of_input();
    if (size == 0)
        return 0;
    REQUIRE(ftruncate(file, 0) == 0 && pwrite(file, data + 1, size - 1, 0) == (ssize_t)(size - 1));
    taken = 0;
    file_bytes = size;
    run_line(&lines[data[0] % LINE_COUNT]);
    return 0;
}

/* ---- Changes ----------------------------------------------------------------------------------------------------- */

#define RECORDS_MOST 4096

struct part {
    size_t at, bytes; /* with the record's head */
};

static size_t next_number(unsigned *random, size_t limit)
{
    *random = *random * 1664525u + 1013904223u;
    return limit == 0 ? 0 : (*random >> 8) % limit;
}

/* Where the whole records are. */
static size_t find_parts(const uint8_t *data, size_t size, struct part *parts)
{
    size_t count = 0, at = 0;
    while (count < RECORDS_MOST && size - at >= sizeof(struct profile_record)) {
        struct profile_record record;
        memcpy(&record, data + at, sizeof record);
        size_t bytes = sizeof record + (((size_t)record.bytes + 7) & ~(size_t)7);
        if (bytes > size - at)
            break;
        parts[count++] = (struct part){at, bytes};
        at += bytes;
    }
    return count;
}

/* A number in the payload, at a multiple of four bytes: small, as another number of the file, or at some edge. */
static void change_number(uint8_t *data, size_t size, struct part part, unsigned *random)
{
    static const uint64_t edges[] = {0,       1,       2,          16,         0xff,      0xffff,
                                     1048575, 1048576, 0x7fffffff, 0xffffffff, INT64_MAX, UINT64_MAX};
    size_t words = (part.bytes - sizeof(struct profile_record)) / 4;
    if (words < 2)
        return;
    uint8_t *to = data + part.at + sizeof(struct profile_record) + 4 * next_number(random, words - 1);
    size_t bytes = next_number(random, 2) == 0 ? 4 : 8;
    uint64_t number = edges[next_number(random, sizeof edges / sizeof edges[0])];
    if (next_number(random, 3) == 0)
        number = next_number(random, 64);
    if (next_number(random, 4) == 0)
        memcpy(&number, data + 4 * next_number(random, size / 4 - 1), bytes);
    memcpy(to, &number, bytes);
}

/* The bytes of a part once more, in front of another one. */
static size_t repeat_part(uint8_t *data, size_t size, size_t room, struct part part, struct part before)
{
    static uint8_t copy[1 << 16];
    if (part.bytes > sizeof copy || size + part.bytes > room)
        return size;
    memcpy(copy, data + part.at, part.bytes);
    memmove(data + before.at + part.bytes, data + before.at, size - before.at);
    memcpy(data + before.at, copy, part.bytes);
    return size + part.bytes;
}

static size_t drop_part(uint8_t *data, size_t size, struct part part)
{
    memmove(data + part.at, data + part.at + part.bytes, size - part.at - part.bytes);
    return size - part.bytes;
}

static size_t change_record(uint8_t *data, size_t size, size_t room, unsigned *random)
{
    static struct part parts[RECORDS_MOST];
    size_t count = find_parts(data, size, parts);
    if (count < 2)
        return LLVMFuzzerMutate(data, size, room);
    struct part one = parts[next_number(random, count)], other = parts[next_number(random, count)];
    uint32_t kind = (uint32_t)next_number(random, PROFILE_END + 2);
    switch (next_number(random, 8)) {
    case 0:
        return drop_part(data, size, one);
    case 1:
        return repeat_part(data, size, room, one, other);
    case 2:
        memcpy(data + one.at, &kind, sizeof kind);
        return size;
    case 3: /* the payload's length, as told */
        data[one.at + sizeof kind] += (uint8_t)(next_number(random, 17) - 8);
        return size;
    case 4: /* other bytes */
        LLVMFuzzerMutate(data + one.at, one.bytes, one.bytes);
        return size;
    default:
        change_number(data, size, one, random);
        return size;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed)
{
    unsigned random = seed;
    if (size < 2 || next_number(&random, 8) == 0)
        return LLVMFuzzerMutate(data, size, room);
    if (next_number(&random, 4) == 0)
        data[0] = (uint8_t)next_number(&random, LINE_COUNT);
    size_t file = size - 1;
    for (size_t left = 1 + next_number(&random, 4); left > 0; left--)
        file = change_record(data + 1, file, room - 1, &random);
    return file + 1;
}
