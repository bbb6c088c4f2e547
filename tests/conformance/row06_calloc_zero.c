/* SPDX-License-Identifier: MIT */
/* Row 6: calloc is zero, whatever the memory was before; in a forked child too. */
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

int main(void)
{
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
