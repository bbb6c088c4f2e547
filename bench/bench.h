/* SPDX-License-Identifier: MIT */
/* What the benchmark programs share: arguments, random numbers, and proof that the allocator meant is the one in use. */
#ifndef GCALLOC_BENCH_H
#define GCALLOC_BENCH_H

#include <dlfcn.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

#endif
