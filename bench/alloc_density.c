/* SPDX-License-Identifier: MIT */
/* alloc_density BYTES COUNT SLEEP_MS: COUNT blocks of BYTES bytes, every byte written. Reports resident over requested
 * memory, then frees all and sleeps, and reports what share has gone back to the system without another call.
 */
#include "bench.h"

#define BYTES_PER_KIB 1024

int main(int count, char **words)
{
    bench_check_allocator();
    size_t bytes = bench_number(count, words, 1);
    uint64_t blocks_wanted = bench_number(count, words, 2);
    uint64_t sleep_ms = bench_number(count, words, 3);
    char **blocks = malloc(blocks_wanted * sizeof *blocks);
    if (blocks == NULL)
        bench_fail("out of memory");
    memset(blocks, 1, blocks_wanted * sizeof *blocks);
    double before_kib = bench_rss_kib();
    for (uint64_t i = 0; i < blocks_wanted; i++) {
        blocks[i] = bench_make(bytes);
        memset(blocks[i], 1, bytes);
    }
    double grown_kib = bench_rss_kib() - before_kib;
    bench_report("rss_ratio", grown_kib * BYTES_PER_KIB / (double)(bytes * blocks_wanted));
    for (uint64_t i = 0; i < blocks_wanted; i++)
        free(blocks[i]);
    bench_sleep_ms((long)sleep_ms);
    bench_report("returned_share", 1 - (bench_rss_kib() - before_kib) / grown_kib);
    free(blocks);
    return 0;
}
