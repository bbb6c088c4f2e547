/* SPDX-License-Identifier: MIT */
/* What the suites share: a private heap, random numbers with a printed seed, short ways to make a suite. */
#ifndef TESTS_UNIT_SUPPORT_H
#define TESTS_UNIT_SUPPORT_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* From TEST_SEED, or new; printed, so that a failure can be run again. */
static inline uint64_t random_seed(void)
{
    const char *given = getenv("TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : ((uint64_t)getpid() << 20 ^ 0x9e3779b97f4a7c15u);
    printf("TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed | 1;
}

#define MAKE_SUITE(name, ...)                                                                                          \
    Suite *name##_suite(void);                                                                                         \
    Suite *name##_suite(void)                                                                                          \
    {                                                                                                                  \
        Suite *suite = suite_create(#name);                                                                            \
        TCase *tests = tcase_create("all");                                                                            \
        const TTest *const list[] = {__VA_ARGS__};                                                                     \
        for (size_t i = 0; i < sizeof list / sizeof *list; i++)                                                        \
            tcase_add_test(tests, list[i]);                                                                            \
        suite_add_tcase(suite, tests);                                                                                 \
        return suite;                                                                                                  \
    }

#endif
