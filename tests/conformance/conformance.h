/* SPDX-License-Identifier: MIT */
/* For programs that run on any malloc: glibc's as control, gcalloc's as what is tested. */
#ifndef TESTS_CONFORMANCE_H
#define TESTS_CONFORMANCE_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno);                          \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

/* Keeps the compiler from knowing what a pointer is and where it came from. */
#define OPAQUE(pointer) __asm__ volatile("" : "+r"(pointer) : : "memory")

/* Collects if the malloc under test can; returns whether it can. */
static inline int collect(void)
{
    static size_t (*function)(void);
    if (function == NULL) {
        void *symbol = dlsym(RTLD_DEFAULT, "gca_collect");
        memcpy(&function, &symbol, sizeof function);
    }
    if (function != NULL)
        function();
    return function != NULL;
}

/* Overwrites what earlier calls have left on the stack and in registers. */
static __attribute__((noinline, unused)) void clear_stack(void)
{
    volatile char area[32768];
    for (size_t i = 0; i < sizeof area; i++)
        area[i] = 0;
}

/* Several collections, with fresh blocks of the same sizes in between: what was lost is overwritten. */
static __attribute__((noinline, unused)) void collect_and_reuse(size_t bytes)
{
    for (int round = 0; round < 4; round++) {
        collect();
        for (int i = 0; i < 3000; i++) {
            char *garbage = malloc(bytes);
            OPAQUE(garbage);
            memset(garbage, 0xee, bytes);
        }
    }
    clear_stack();
}

/* xorshift; the state is never 0. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Memory that the process has in use. Without a stream, whose buffer would be a block. */
static inline size_t resident_bytes(void)
{
    char line[100] = {0};
    size_t all = 0, pages = 0;
    int file = open("/proc/self/statm", O_RDONLY);
    CHECK(read(file, line, sizeof line - 1) > 0 && sscanf(line, "%zu %zu", &all, &pages) == 2);
    close(file);
    return pages * 4096;
}

#define HELD_BYTES 88

/* A block with a pattern, and whether it still has it. */
static __attribute__((noinline, unused)) char *make_held(void)
{
    char *block = malloc(HELD_BYTES);
    CHECK(block != NULL);
    for (int i = 0; i < HELD_BYTES; i++)
        block[i] = (char)(i * 7 + 3);
    return block;
}

static __attribute__((noinline, unused)) void check_held(const char *block)
{
    for (int i = 0; i < HELD_BYTES; i++)
        CHECK(block[i] == (char)(i * 7 + 3));
}

#endif
