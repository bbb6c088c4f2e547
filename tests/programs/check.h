/* SPDX-License-Identifier: MIT */
/* Checks that go on after a failure, and what tests of a conservative collector need: pointers kept as complements, in
 * numbers, since a stray word may keep any single block alive. */
#ifndef GCALLOC_TESTS_PROGRAMS_CHECK_H
#define GCALLOC_TESTS_PROGRAMS_CHECK_H

#include <errno.h>
#include <gcalloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int check_failures;
#define SHOWN_MAX 50

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            if (check_failures++ < SHOWN_MAX)                                                                          \
                fprintf(stderr, "%s:%d: %s does not hold (errno %d)\n", __FILE__, __LINE__, #condition, errno);        \
        }                                                                                                              \
    } while (0)

#define NOINLINE __attribute__((noinline, unused))

/* The compiler no longer knows what the pointer is. */
static inline void *unknown(const void *pointer)
{
    void *result = (void *)(uintptr_t)pointer;
    __asm__ volatile("" : "+r"(result));
    return result;
}

static inline bool is_filled(const void *bytes, int value, size_t length)
{
    const unsigned char *at = (const unsigned char *)bytes;
    for (size_t i = 0; i < length; i++) {
        if (at[i] != (unsigned char)value)
            return false;
    }
    return true;
}

/* Overwrites old copies of pointers below the caller's frame. */
static NOINLINE void overwrite_stack(void)
{
    char stale[32768];
    memset(stale, 0, sizeof stale);
    __asm__ volatile("" : : "r"(stale) : "memory");
}

static NOINLINE size_t collect_cleanly(void)
{
    overwrite_stack();
    return gca_collect();
}

#define HIDDEN_COUNT 1000

struct hidden {
    uintptr_t complements[HIDDEN_COUNT];
};

static inline void *shown(const struct hidden *hidden, size_t i)
{
    return (void *)~hidden->complements[i];
}

static inline void hide(struct hidden *hidden, size_t i, const void *pointer)
{
    hidden->complements[i] = ~(uintptr_t)pointer;
}

/* How many of the blocks still live. */
static NOINLINE size_t count_living(const struct hidden *hidden)
{
    size_t count = 0;
    for (size_t i = 0; i < HIDDEN_COUNT; i++)
        count += gca_base(shown(hidden, i)) == shown(hidden, i);
    return count;
}

/* The word that a collector is in the middle of handing out (64 blocks) and a few stray words may keep some alive. */
#define ALL_BUT_STRAYS (HIDDEN_COUNT - 100)
#define ONLY_STRAYS 100

static inline int check_result(void)
{
    if (check_failures != 0)
        fprintf(stderr, "%d checks failed\n", check_failures);
    return check_failures != 0;
}

#endif
