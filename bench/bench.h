/* SPDX-License-Identifier: MIT */
/* What the benchmark programs share: arguments, random numbers, and proof that the allocator meant is the one in use. */
#ifndef GCALLOC_BENCH_H
#define GCALLOC_BENCH_H

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline void bench_fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static inline uint64_t bench_number(int count, char **words, int index)
{
    char *end = NULL;
    if (index >= count)
        bench_fail("too few arguments");
    uint64_t number = strtoull(words[index], &end, 10);
    if (*end != '\0' || number == 0)
        bench_fail("an argument is no positive number");
    return number;
}

/* BENCH_ALLOCATOR is the file that malloc has to come from. The loader ignores what it cannot preload: without this a
 * measurement of nothing would look like one. */
static inline void bench_check_allocator(void)
{
    const char *wanted = getenv("BENCH_ALLOCATOR");
    char wanted_path[PATH_MAX];
    char found_path[PATH_MAX];
    Dl_info found;
    if (wanted == NULL)
        return;
    void *symbol = dlsym(RTLD_DEFAULT, "malloc");
    if (symbol == NULL || dladdr(symbol, &found) == 0 || realpath(found.dli_fname, found_path) == NULL ||
        realpath(wanted, wanted_path) == NULL || strcmp(found_path, wanted_path) != 0)
        bench_fail("malloc is not that of BENCH_ALLOCATOR");
}

/* Appends a figure of the program's own to the file that BENCH_REPORT names. Names that the tables know: throughput (a
 * second), ns_per_operation, rss_ratio; others are listed as they come. */
static inline void bench_report(const char *name, double value)
{
    char line[128];
    const char *path = getenv("BENCH_REPORT");
    int length = snprintf(line, sizeof line, "%s %.4f\n", name, value);
    if (path == NULL)
        return;
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file < 0 || write(file, line, (size_t)length) != length)
        bench_fail("BENCH_REPORT cannot be written");
    close(file);
}

/* Resident memory of the process; allocates nothing. */
static inline double bench_rss_kib(void)
{
    char text[128];
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (length <= 0)
        bench_fail("/proc/self/statm cannot be read");
    text[length] = '\0';
    close(file);
    const char *second = strchr(text, ' ');
    if (second == NULL)
        bench_fail("/proc/self/statm is not as expected");
    return (double)strtoul(second, NULL, 10) * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static inline double bench_seconds(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) != 0)
        bench_fail("no such clock");
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static inline void bench_sleep_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0)
        continue;
}

/* Waiting for another thread: it may be the one that this processor should run. */
static inline void bench_yield(void)
{
    sched_yield();
}

/* The same numbers on each run: a full-period generator (xorshift, 64 bits), never 0. */
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x;
}

/* A block that is used at both ends. */
static inline char *bench_make(size_t bytes)
{
    char *block = (char *)malloc(bytes); /* C++ asks for it */
    if (block == NULL)
        bench_fail("out of memory");
    block[0] = 1;
    block[bytes - 1] = 1;
    return block;
}

/* Sizes as programs have them: half of them up to an eighth of `high`, a quarter up to a quarter, and so on. */
static inline size_t bench_size(uint64_t random, size_t low, size_t high)
{
    size_t span = high - low + 1;
    unsigned halvings = (unsigned)(random >> 60 & 3);
    return low + (random & UINT32_MAX) % ((span >> halvings) + 1) % span;
}

#endif
