/* SPDX-License-Identifier: MIT */
/* Row 6: calloc is zero, whatever the memory was before; in a forked child too. And much of it costs nothing until it is used. */
#include <sys/wait.h>

#include "conformance.h"

static void dirty(size_t bytes)
{
    char *blocks[20];
    for (int i = 0; i < 20; i++) {
        blocks[i] = malloc(bytes);
        memset(blocks[i], 0xff, bytes);
    }
    for (int i = 0; i < 20; i++)
        free(blocks[i]);
}

static void check_zero(size_t bytes)
{
    for (int i = 0; i < 20; i++) {
        unsigned char *block = calloc(1, bytes);
        CHECK(block != NULL);
        for (size_t k = 0; k < bytes; k++)
            CHECK(block[k] == 0);
        memset(block, 0xff, bytes);
        block = realloc(block, bytes / 2 + 1);
        free(block);
    }
}

static void round_of_sizes(void)
{
    for (size_t bytes = 1; bytes < 3000000; bytes = bytes * 3 / 2 + 1) {
        dirty(bytes);
        check_zero(bytes);
    }
}

#define MANY_BYTES ((size_t)64 << 20)

static void much_costs_nothing(void)
{
    size_t before = resident_bytes();
    char *block = malloc(MANY_BYTES);
    CHECK(block != NULL);
    memset(block, 0xff, MANY_BYTES);
    free(block);
    uint64_t *zero = calloc(1, MANY_BYTES - 5);
    CHECK(zero != NULL);
    CHECK(resident_bytes() < before + MANY_BYTES / 4);
    for (size_t i = 0; i < MANY_BYTES / sizeof *zero - 1; i++)
        CHECK(zero[i] == 0);
    free(zero);
}

int main(void)
{
    much_costs_nothing();
    round_of_sizes();
    if (fork() == 0) {
        round_of_sizes();
        _exit(0);
    }
    int status;
    wait(&status);
    CHECK(status == 0);
    return 0;
}
