/* SPDX-License-Identifier: MIT */
/* alloc_churn ORDER LIVE OPERATIONS LOW HIGH: LIVE blocks of LOW to HIGH bytes, small ones more often; each operation frees
 * one and allocates another. ORDER: `ring`, the oldest goes first, a window that slides; `random`, any may go.
 */
#include "bench.h"

#define SEED 88172645463325252u

int main(int count, char **words)
{
    bench_check_allocator();
    uint64_t live = bench_number(count, words, 2);
    uint64_t operations = bench_number(count, words, 3);
    size_t low = bench_number(count, words, 4);
    size_t high = bench_number(count, words, 5);
    int is_ring = strcmp(words[1], "ring") == 0;
    uint64_t state = SEED;
    void **blocks = malloc(live * sizeof *blocks);
    if (blocks == NULL || high < low || (!is_ring && strcmp(words[1], "random") != 0))
        bench_fail("ORDER is `ring` or `random`, LIVE must fit in memory");
    for (uint64_t i = 0; i < live; i++)
        blocks[i] = bench_make(bench_size(bench_random(&state), low, high));
    double start = bench_seconds(CLOCK_MONOTONIC);
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t random = bench_random(&state);
        uint64_t at = (is_ring ? i : random >> 32) % live;
        free(blocks[at]);
        blocks[at] = bench_make(bench_size(random, low, high));
    }
    bench_report("throughput", (double)operations / (bench_seconds(CLOCK_MONOTONIC) - start));
    for (uint64_t i = 0; i < live; i++)
        free(blocks[i]);
    free(blocks);
    return 0;
}
