/* SPDX-License-Identifier: MIT */
/* Small helpers of the programs in this folder. They are linked with nothing and use malloc only, so that the same
 * binary runs on the C library and, preloaded, under gcalloc; gca_* are weak and absent on the C library. */
#ifndef GCALLOC_TESTS_INTEGRATION_PROGRAM_H
#define GCALLOC_TESTS_INTEGRATION_PROGRAM_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

extern size_t gca_collect(void) __attribute__((weak));
extern const char *gca_version(void) __attribute__((weak));

static inline bool under_gcalloc(void)
{
    return gca_version != NULL;
}

/* First thing in main: the tests set EXPECT_GCALLOC, so that a library that failed to load is no silent success. */
static inline void check_library(void)
{
    if (getenv("EXPECT_GCALLOC") && !under_gcalloc()) {
        fputs("FAILED: libgcalloc.so was not loaded\n", stderr);
        _Exit(1);
    }
}

/* A whole collection; nothing on the C library. */
static inline void collect(void)
{
    if (gca_collect)
        gca_collect();
}

static inline _Noreturn void fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("FAILED: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    _Exit(1);
}

static inline void *need(void *block)
{
    if (!block)
        fail("out of memory");
    return block;
}

/* xorshift: the same numbers in every run. The state is never 0. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* A figure of /proc/self/status in bytes: "VmHWM" is the peak of the resident size, "VmRSS" the resident size now. */
static inline size_t status_bytes(const char *name)
{
    char line[256];
    size_t bytes = 0, length = strlen(name);
    FILE *file = fopen("/proc/self/status", "r");
    if (!file)
        fail("/proc/self/status: %s", strerror(errno));
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            bytes = strtoull(line + length + 1, NULL, 10) * 1024;
    }
    fclose(file);
    if (bytes == 0)
        fail("/proc/self/status has no %s", name);
    return bytes;
}

static inline double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The promise for programs that leak: peak resident size at most three times what is alive, and 64 MiB. Asserted under
 * gcalloc, printed everywhere. */
static inline void check_peak(const char *program, size_t live, size_t leaked)
{
    size_t peak = status_bytes("VmHWM"), bound = 3 * live + 64 * MIB;
    printf("%s: %s: live %zu MiB, dropped %zu MiB, peak RSS %zu MiB, bound %zu MiB\n", program,
           under_gcalloc() ? "gcalloc" : "C library", live / MIB, leaked / MIB, peak / MIB, bound / MIB);
    if (under_gcalloc() && peak > bound)
        fail("peak RSS %zu KiB is over the bound of %zu KiB", peak / 1024, bound / 1024);
}

#endif
