/* SPDX-License-Identifier: MIT */
/* Rows 43, 47: a program that writes into blocks it has freed, or past their ends, spoils its own contents at worst:
 * the allocator keeps nothing there. Requests go on to get memory that is nobody else's, and calloc gives zeros. */
#include <malloc.h>

#include "conformance.h"

#define BLOCKS 400

static char *blocks[BLOCKS];
static size_t sizes[BLOCKS];

static void fill(int i, char *block, size_t bytes)
{
    CHECK(block != NULL && (uintptr_t)block % 16 == 0);
    blocks[i] = block;
    sizes[i] = bytes;
    memset(block, i, bytes);
}

static void check(int i)
{
    for (size_t k = 0; k < sizes[i]; k++)
        CHECK(blocks[i][k] == (char)i);
}

static void scribble(char *at, size_t bytes, int round)
{
    uint64_t words[] = {(uint64_t)blocks[1], ~(uint64_t)0, 0x4141414141414141, (uint64_t)&words, 16};
    for (size_t k = 0; k + 8 <= bytes; k += 8)
        memcpy(at + k, &words[(k / 8 + (size_t)round) % 5], 8);
}

static void use_after_free(size_t bytes, int round)
{
    for (int i = 0; i < BLOCKS; i++)
        fill(i, malloc(bytes), bytes);
    for (int i = 0; i < BLOCKS; i += 2)
        free(blocks[i]);
    for (int i = 0; i < BLOCKS; i += 2)
        scribble(blocks[i], bytes, round);
    if (round % 2 == 1)
        collect();
    for (int i = 0; i < BLOCKS; i += 2) {
        char *block = i % 4 == 0 ? malloc(bytes) : calloc(1, bytes);
        for (size_t k = 0; i % 4 != 0 && k < bytes; k++)
            CHECK(block[k] == 0);
        fill(i, block, bytes);
    }
    for (int i = 0; i < BLOCKS; i++)
        check(i);
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

/* Only where another of our blocks follows, so that the bytes are the program's. */
static int has_neighbour(const char *end)
{
    for (int i = 0; i < BLOCKS; i++)
        if (blocks[i] >= end && blocks[i] < end + 16)
            return 1;
    return 0;
}

static void write_past_ends(size_t bytes, int round)
{
    int neighbours = 0;
    for (int i = 0; i < BLOCKS; i++)
        fill(i, malloc(bytes), bytes);
    for (int i = 0; i < BLOCKS; i++) {
        char *end = blocks[i] + malloc_usable_size(blocks[i]);
        if (has_neighbour(end)) {
            scribble(end, 32, round);
            neighbours++;
        }
    }
    CHECK(neighbours > BLOCKS / 4);
    collect();
    for (int i = 0; i < BLOCKS; i += 2)
        free(blocks[i]);
    for (int i = 0; i < BLOCKS; i += 2)
        fill(i, malloc(bytes), bytes);
    for (int i = 0; i < BLOCKS; i += 2)
        check(i);
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

int main(void)
{
    if (!collect())
        return 0; /* other mallocs do keep their lists there */
    for (int round = 0; round < 10; round++) {
        for (size_t bytes = 32; bytes < 20000; bytes = bytes * 7 / 4 & ~(size_t)15) {
            use_after_free(bytes, round);
            write_past_ends(bytes, round);
        }
    }
    return 0;
}
