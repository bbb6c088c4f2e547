/* SPDX-License-Identifier: MIT */
/* Row 40: memory that is free serves later requests, of other sizes too: the peak stays near what the program held. */
#include <sys/resource.h>
#include <sys/wait.h>

#include "conformance.h"

#define MIB ((size_t)1 << 20)
#define LIVE_BYTES (32 * MIB)
#define BLOCKS_MAX 600000

static char *blocks[BLOCKS_MAX];
static uint64_t state = 88172645463325252u;

static void take(size_t i, size_t bytes)
{
    blocks[i] = malloc(bytes);
    CHECK(blocks[i] != NULL);
    memset(blocks[i], 1, bytes);
}

/* Blocks of 96 bytes, then of twice that and so on; before each step every other block goes that is left. The worst
 * that a program can do to an allocator that does not move blocks: all that a step takes may be new, ten times. */
static void double_sizes(void)
{
    size_t used = 0;
    for (size_t bytes = 96; bytes <= 100000; bytes *= 2) {
        size_t kept = 0;
        for (size_t i = 0; i < used; i++) {
            if (i % 2 == 0)
                free(blocks[i]);
            else
                blocks[kept++] = blocks[i];
        }
        used = kept;
        size_t wanted = LIVE_BYTES / bytes / (bytes == 96 ? 1 : 2);
        for (size_t i = 0; i < wanted && used < BLOCKS_MAX; i++)
            take(used++, bytes);
    }
}

/* Two million random replacements: sizes from 8 bytes to 8 KiB, small ones more often; 30 MB at a time. */
static void replace_at_random(void)
{
    const size_t count = 40000;
    for (int round = 0; round < 2000000; round++) {
        size_t i = next_random(&state) % count;
        uint64_t random = next_random(&state);
        free(blocks[i]);
        take(i, 8 + (random >> 8) % ((size_t)8 << random % 11));
    }
}

/* One size after the other, all of the last one freed before: each size must do with the memory of those before. */
static void change_sizes(void)
{
    static const size_t sizes[] = {100, 3000, 33, 700, 20000, 250, 1500000, 5000, 64, 100000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t count = LIVE_BYTES / sizes[s] < BLOCKS_MAX ? LIVE_BYTES / sizes[s] : BLOCKS_MAX;
        for (size_t i = 0; i < count; i++)
            take(i, sizes[s]);
        for (size_t i = 0; i < count; i++)
            free(blocks[i]);
        memset(blocks, 0, sizeof blocks);
    }
}

/* In a child, so that each pattern has a peak of its own. */
static void check_peak(const char *name, void (*pattern)(void), size_t bound)
{
    struct rusage usage;
    int status;
    pid_t child = fork();
    if (child == 0) {
        pattern();
        _exit(0);
    }
    CHECK(wait4(child, &status, 0, &usage) == child && status == 0);
    printf("%s: %ld KiB at most, bound %zu\n", name, usage.ru_maxrss, bound >> 10);
    CHECK((size_t)usage.ru_maxrss << 10 <= bound);
}

int main(void)
{
    check_peak("doubled sizes", double_sizes, 7 * LIVE_BYTES);
    check_peak("random sizes", replace_at_random, 3 * LIVE_BYTES / 2);
    check_peak("changed sizes", change_sizes, 3 * LIVE_BYTES);
    return 0;
}
