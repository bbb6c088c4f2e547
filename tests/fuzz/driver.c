/* SPDX-License-Identifier: MIT */
/* Drives a fuzzer without libFuzzer: each file of the corpus as it is, then inputs made of those by random changes. No
 * coverage is looked at. What ends the process, or takes longer than INPUT_SECONDS, is left in the working directory as
 * crash-SEED-N.
 *
 *   FUZZER [-seed=S] [-runs=N] [-max_total_time=SECONDS] [-max_len=BYTES] FILE|FOLDER...
 *
 * Without -runs and -max_total_time the files alone. The options are libFuzzer's.
 */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define INPUTS_MOST 4096
#define INPUT_SECONDS 100
#define CHANGES_MOST 5 /* to one input */

struct input {
    uint8_t *bytes;
    size_t size;
};

static struct input corpus[INPUTS_MOST];
static size_t corpus_count;
static uint64_t state, seed, run;
static size_t room = 65536;
static struct input current;

__attribute__((weak)) int LLVMFuzzerInitialize(int *count, char ***words);
__attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t limit, unsigned random);
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

/* ---- Changes ----------------------------------------------------------------------------------------------------- */

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(0x2545f4914f6cdd1d) >> 8;
}

static size_t below(size_t limit)
{
    return limit == 0 ? 0 : (size_t)(next_random() % limit);
}

static size_t insert(uint8_t *data, size_t size, size_t limit)
{
    size_t at = below(size + 1), count = 1 + below(16);
    if (size + count > limit)
        return size;
    memmove(data + at + count, data + at, size - at);
    memset(data + at, (int)next_random(), count);
    return size + count;
}

static size_t erase(uint8_t *data, size_t size)
{
    size_t at = below(size), count = 1 + below(size - at < 64 ? size - at : 64);
    memmove(data + at, data + at + count, size - at - count);
    return size - count;
}

static void put_edge(uint8_t *data, size_t size)
{
    static const uint64_t edges[] = {0,      1,          0x7f,       0x80,       0xff,      0x100,
                                     0xffff, 0x7fffffff, 0x80000000, 0xffffffff, UINT64_MAX};
    size_t bytes = (size_t)1 << below(4);
    uint64_t number = edges[below(sizeof edges / sizeof edges[0])] + below(3) - 1;
    if (bytes <= size)
        memcpy(data + below(size - bytes + 1), &number, bytes);
}

/* A part of the same input, or of another one, somewhere else. */
static void copy_part(uint8_t *data, size_t size)
{
    const struct input *from =
        corpus_count > 0 && below(2) == 0 ? &corpus[below(corpus_count)] : &(struct input){data, size};
    size_t count = 1 + below(64);
    if (count <= from->size && count <= size)
        memmove(data + below(size - count + 1), from->bytes + below(from->size - count + 1), count);
}

static size_t change_once(uint8_t *data, size_t size, size_t limit)
{
    if (size == 0)
        return insert(data, size, limit);
    switch (below(8)) {
    case 0:
        return insert(data, size, limit);
    case 1:
        return erase(data, size);
    case 2:
        data[below(size)] ^= (uint8_t)(1u << below(8));
        break;
    case 3:
        put_edge(data, size);
        break;
    case 4:
        copy_part(data, size);
        break;
    case 5:
        data[below(size)] += (uint8_t)(below(33) - 16);
        break;
    default:
        data[below(size)] = (uint8_t)next_random();
        break;
    }
    return size;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t limit)
{
    for (size_t left = 1 + below(CHANGES_MOST); left > 0; left--)
        size = change_once(data, size, limit);
    return size;
}

/* ---- Runs -------------------------------------------------------------------------------------------------------- */

static void keep_current(void)
{
    char path[64];
    snprintf(path, sizeof path, "crash-%llu-%llu", (unsigned long long)seed, (unsigned long long)run);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0 || write(file, current.bytes, current.size) != (ssize_t)current.size)
        return;
    close(file);
    fprintf(stderr, "input left in %s, seed %llu, run %llu\n", path, (unsigned long long)seed, (unsigned long long)run);
}

static void on_signal(int number)
{
    if (number == SIGALRM)
        fprintf(stderr, "no end after %d seconds\n", INPUT_SECONDS);
    keep_current();
    signal(number == SIGALRM ? SIGABRT : number, SIG_DFL);
    raise(number == SIGALRM ? SIGABRT : number);
}

static void try_input(uint8_t *bytes, size_t size)
{
    current = (struct input){bytes, size};
    alarm(INPUT_SECONDS);
    (void)LLVMFuzzerTestOneInput(bytes, size);
    alarm(0);
}

static void watch(void)
{
    static const int signals[] = {SIGABRT, SIGALRM, SIGBUS, SIGFPE, SIGILL, SIGSEGV};
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(keep_current);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        signal(signals[i], on_signal);
}

/* A fresh copy: what is read beyond its end is seen by a sanitizer. */
static void try_change(void)
{
    static uint8_t *scratch;
    scratch = scratch == NULL ? malloc(room) : scratch;
    REQUIRE(scratch != NULL);
    struct input from = corpus_count > 0 ? corpus[below(corpus_count)] : (struct input){0};
    size_t size = from.size < room ? from.size : room;
    if (size > 0)
        memcpy(scratch, from.bytes, size);
    if (LLVMFuzzerCustomMutator != NULL)
        size = LLVMFuzzerCustomMutator(scratch, size, room, (unsigned)next_random());
    else
        size = LLVMFuzzerMutate(scratch, size, room);
    uint8_t *copy = malloc(size + (size == 0));
    REQUIRE(copy != NULL);
    memcpy(copy, scratch, size);
    try_input(copy, size);
    free(copy);
}

/* ---- The corpus -------------------------------------------------------------------------------------------------- */

static void read_file(const char *path)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) != 0 || corpus_count == INPUTS_MOST) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(EXIT_FAILURE);
    }
    struct input *input = &corpus[corpus_count++];
    input->size = (size_t)status.st_size;
    input->bytes = malloc(input->size + (input->size == 0));
    REQUIRE(input->bytes != NULL && read(file, input->bytes, input->size) == (ssize_t)input->size);
    close(file);
}

static void read_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char *name = NULL;
        if (entries[i]->d_name[0] != '.' && asprintf(&name, "%s/%s", path, entries[i]->d_name) > 0)
            read_file(name);
        free(name);
        free(entries[i]);
    }
    free(count >= 0 ? entries : NULL);
}

static bool read_option(const char *word, const char *name, uint64_t *value)
{
    size_t length = strlen(name);
    if (strncmp(word, name, length) != 0)
        return false;
    *value = strtoull(word + length, NULL, 10);
    return true;
}

int main(int count, char **words)
{
    uint64_t runs = 0, seconds = 0, limit = room;
    seed = (uint64_t)time(NULL);
    if (LLVMFuzzerInitialize != NULL)
        LLVMFuzzerInitialize(&count, &words);
    for (int i = 1; i < count; i++) {
        struct stat status;
        if (read_option(words[i], "-seed=", &seed) || read_option(words[i], "-runs=", &runs) ||
            read_option(words[i], "-max_total_time=", &seconds) || read_option(words[i], "-max_len=", &limit))
            continue;
        if (stat(words[i], &status) == 0 && S_ISDIR(status.st_mode))
            read_folder(words[i]);
        else
            read_file(words[i]);
    }
    room = limit;
    state = seed * 2 + 1;
    fprintf(stderr, "-seed=%llu, %zu files\n", (unsigned long long)seed, corpus_count);
    watch();
    for (size_t i = 0; i < corpus_count; i++)
        try_input(corpus[i].bytes, corpus[i].size);
    time_t end = time(NULL) + (time_t)seconds;
    for (run = 1; (runs == 0 && seconds > 0) || run <= runs; run++) {
        if (seconds > 0 && time(NULL) >= end)
            break;
        try_change();
    }
    fprintf(stderr, "%llu runs\n", (unsigned long long)run - 1);
    return EXIT_SUCCESS;
}
