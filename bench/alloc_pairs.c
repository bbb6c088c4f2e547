/* SPDX-License-Identifier: MIT */
/* alloc_pairs BYTES BATCH ROUNDS: allocates BATCH blocks of BYTES and frees them in the same order, ROUNDS times. BATCH 1
 * is the shortest way through an allocator.
 */
#include "bench.h"

int main(int count, char **words)
{
    bench_check_allocator();
    uint64_t bytes = bench_number(count, words, 1);
    uint64_t batch = bench_number(count, words, 2);
    uint64_t rounds = bench_number(count, words, 3);
    char **blocks = malloc(batch * sizeof *blocks);
    if (blocks == NULL)
        bench_fail("out of memory");
    double start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (uint64_t round = 0; round < rounds; round++) {
        for (uint64_t i = 0; i < batch; i++) {
            blocks[i] = malloc(bytes);
            if (blocks[i] == NULL)
                bench_fail("out of memory");
            blocks[i][0] = (char)round;
        }
        for (uint64_t i = 0; i < batch; i++)
            free(blocks[i]);
    }
    double seconds = bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
    bench_report("ns_per_operation", seconds * 1e9 / (double)(rounds * batch));
    free(blocks);
    return 0;
}
