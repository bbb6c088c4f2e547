/* SPDX-License-Identifier: MIT */
/* Helpers of the programs that are right: any abort, wrong content or line of output is the allocator's fault. */
#ifndef GCALLOC_TESTS_LEGAL_H
#define GCALLOC_TESTS_LEGAL_H

#include <gcalloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUIRE(condition) require((condition), #condition, __FILE__, __LINE__)

static inline void require(bool condition, const char *text, const char *file, int line)
{
    if (condition)
        return;
    fprintf(stderr, "%s:%d: %s does not hold\n", file, line, text);
    _exit(1);
}

static inline uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* A block that knows its size and is full of one value, so that an overlap of two blocks is seen. */
struct filled {
    uint32_t bytes; /* at least sizeof(struct filled) */
    uint8_t value;
    uint8_t rest[];
};
#define FILLED_HEAD offsetof(struct filled, rest)

static inline void fill(struct filled *block, uint32_t bytes, uint8_t value)
{
    block->bytes = bytes;
    block->value = value;
    memset(block->rest, value, bytes - FILLED_HEAD);
}

static inline struct filled *make_filled(uint32_t bytes, uint8_t value)
{
    uint32_t all = bytes < sizeof(struct filled) ? (uint32_t)sizeof(struct filled) : bytes;
    struct filled *block = (struct filled *)malloc(all);
    REQUIRE(block != NULL);
    fill(block, all, value);
    return block;
}

static inline void check_filled(const struct filled *block)
{
    size_t length = block->bytes - FILLED_HEAD;
    REQUIRE(length == 0 || block->rest[0] == block->value);
    REQUIRE(length < 2 || memcmp(block->rest, block->rest + 1, length - 1) == 0);
}

static inline void free_filled(struct filled *block)
{
    check_filled(block);
    free(block);
}

static inline pthread_t start_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, body, argument) == 0);
    return thread;
}

#endif
