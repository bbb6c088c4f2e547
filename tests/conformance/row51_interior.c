/* SPDX-License-Identifier: MIT */
/* Row 51: a block lives while its only pointer is to any of its bytes, or to the one past its end. */
#include "conformance.h"

#define BLOCKS 64

static char *holders[BLOCKS];

static size_t offset_of(int i, size_t bytes)
{
    return i % 2 == 0 ? bytes : (bytes / BLOCKS * (size_t)i + (size_t)i % 8) % bytes;
}

static __attribute__((noinline)) void fill(size_t bytes)
{
    for (int i = 0; i < BLOCKS; i++) {
        char *block = malloc(bytes);
        CHECK(block != NULL);
        memset(block, i + 1, bytes);
        holders[i] = block + offset_of(i, bytes);
    }
}

static __attribute__((noinline)) void check_and_free(size_t bytes)
{
    for (int i = 0; i < BLOCKS; i++) {
        char *block = holders[i] - offset_of(i, bytes);
        for (size_t k = 0; k < bytes; k++)
            CHECK(block[k] == (char)(i + 1));
        free(block);
        holders[i] = NULL;
    }
}

static void try_size(size_t bytes)
{
    fill(bytes);
    clear_stack();
    for (int round = 0; round < 2; round++) {
        collect();
        for (int i = 0; i < BLOCKS * 2; i++) {
            char *garbage = malloc(bytes);
            OPAQUE(garbage);
            memset(garbage, 0xee, bytes);
        }
    }
    check_and_free(bytes);
}

int main(void)
{
    for (size_t bytes = 1; bytes <= 300; bytes++)
        try_size(bytes);
    for (size_t bytes = 512; bytes <= 1 << 20; bytes *= 2)
        for (size_t less = 0; less < 3; less++)
            try_size(bytes - less);
    return 0;
}
