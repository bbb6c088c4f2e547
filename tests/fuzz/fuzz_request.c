/* SPDX-License-Identifier: MIT */
/* Requests of another process, here to this one. The first byte chooses the way: the rest is the words that the command asks
 * with, all of it (src/cli/attach), or the bytes of the request's file as the library finds it. There is always an answer of
 * one line, or none where the file does not begin with a number; a result is a profile; and the process goes on.
 */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <gcalloc.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/profile_format.h"
#include "base/request_format.h"
#include "cli/attach/attach.h"
#include "cli/attach/target.h"
#include "cli/base/message.h"
#include "foreign.h"

#define TEXT_MOST 400 /* more than a line may have */

int gci_message_fail(int code, const char *thing, const char *cause, ...)
{
    REQUIRE(thing != NULL && cause != NULL);
    return code;
}

struct path {
    char text[96];
};

static struct path path_of(const char *ending)
{
    struct path path;
    snprintf(path.text, sizeof path.text, REQUEST_DIRECTORY "%u/%d%s", (unsigned)geteuid(), (int)getpid(), ending);
    return path;
}

/* The command makes the directory, and would not ask one that is not this user's alone. */
static void make_directory(void)
{
    char path[96];
    snprintf(path, sizeof path, REQUEST_DIRECTORY "%u", (unsigned)geteuid());
    (void)mkdir(path, S_IRWXU);
}

/* The bytes read; 0: there is no such file. */
static size_t read_whole(const char *ending, char *bytes, size_t room)
{
    int file = open(path_of(ending).text, O_RDONLY | O_CLOEXEC);
    ssize_t count = file < 0 ? 0 : read(file, bytes, room);
    if (file >= 0)
        close(file);
    return count > 0 ? (size_t)count : 0;
}

static void remove_all(void)
{
    unlink(path_of(REQUEST_FILE).text);
    unlink(path_of(REQUEST_ANSWER).text);
    unlink(path_of(REQUEST_RESULT).text);
}

/* ---- The two ways ------------------------------------------------------------------------------------------------ */

/* A result, where there is one, begins as a profile does. */
static void check_result(void)
{
    char head[sizeof(struct profile_record) + sizeof PROFILE_MAGIC];
    size_t count = read_whole(REQUEST_RESULT, head, sizeof head);
    REQUIRE(count == 0 || (count == sizeof head &&
                           memcmp(head + sizeof(struct profile_record), PROFILE_MAGIC, sizeof PROFILE_MAGIC - 1) == 0));
}

static void check_answer(bool has_number)
{
    char line[2 * REQUEST_BYTES_MAX];
    size_t count = read_whole(REQUEST_ANSWER, line, sizeof line);
    REQUIRE((count > 0) == has_number);
    if (count == 0)
        return;
    REQUIRE(count < REQUEST_BYTES_MAX && line[count - 1] == '\n' && memchr(line, '\n', count) == line + count - 1);
    REQUIRE(line[0] >= '0' && line[0] <= '9' && memchr(line, ' ', count) != NULL);
}

static bool begins_with_number(const uint8_t *data, size_t size)
{
    uint64_t number = 0;
    size_t at = 0;
    for (; at < size && data[at] >= '0' && data[at] <= '9'; at++) {
        if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, data[at] - '0', &number))
            return false;
    }
    return at > 0;
}

static void ask_by_file(const uint8_t *data, size_t size, int signal_number)
{
    int file = open(path_of(REQUEST_FILE).text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    REQUIRE(file >= 0 && write(file, data, size) == (ssize_t)size);
    close(file);
    REQUIRE(sigqueue(getpid(), signal_number, (union sigval){.sival_int = REQUEST_VALUE}) == 0);
    check_answer(begins_with_number(data, size));
    check_result();
}

static void ask_by_command(const uint8_t *data, size_t size)
{
    char words[TEXT_MOST + 1];
    size_t length = size < TEXT_MOST ? size : TEXT_MOST;
    memcpy(words, data, length);
    words[length] = '\0';
    int code = gci_attach_request(getpid(), words, NULL);
    REQUIRE(code == 0 || code == EXIT_OWN_FAILURE);
    struct stat status;
    REQUIRE(stat(path_of(REQUEST_FILE).text, &status) != 0 && stat(path_of(REQUEST_RESULT).text, &status) != 0);
}

/* ---- One input --------------------------------------------------------------------------------------------------- */

#define HELD 64
#define LOST_SHARE                                                                                                     \
    8 /* one of so many blocks is lost when its place is used again: a leak, alone or with what it holds */
#define INPUTS_TOGETHER 64 /* whose leaks add up: what a report or a graph has to write stays within a millisecond */

static void *held[HELD];

/* Blocks of many sizes: held, held by another block, lost. */
static void make_blocks(void)
{
    static unsigned inputs;
    if (++inputs % INPUTS_TOGETHER == 0)
        (void)gca_collect();
    for (size_t i = 0; i < HELD; i++) {
        if (i % LOST_SHARE != 0)
            gca_free(held[i]);
        void **block = gca_malloc(16 + i * 20);
        REQUIRE(block != NULL);
        *block = i % LOST_SHARE == 0 ? gca_malloc(32) : NULL;
        held[i] = block;
    }
}

static int prepare(void)
{
    struct target target;
    REQUIRE(gci_target_open(&target, getpid()) == 0);
    close(target.handle);
    make_directory();
    exclude_foreign_memory();
    REQUIRE(gca_roots_add(held, held + HELD) == 0);
    return target.signal;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int signal_number;
    if (size == 0)
        return 0;
    if (signal_number == 0)
        signal_number = prepare();
    make_blocks();
    remove_all();
    if (data[0] % 2 == 0)
        ask_by_file(data + 1, size - 1, signal_number);
    else
        ask_by_command(data + 1, size - 1);
    remove_all();
    return 0;
}
