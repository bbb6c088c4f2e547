/* SPDX-License-Identifier: MIT */
/* alloc_burst MIB KEPT_PERCENT ROUNDS SLEEP_MS: a burst of MIB mebibytes in blocks of 16 to 2,000 bytes, of which
 * KEPT_PERCENT less one per cent live on at random and the rest is freed; then a sleep. Reports what is resident then
 * over what lives, and what share of the burst's memory went back to the system.
 */
#include "bench.h"

#define SEED 88172645463325252u
#define BYTES_LOW 16
#define BYTES_HIGH 2000
#define BYTES_PER_KIB 1024

struct burst {
    char **blocks;
    size_t *sizes;
    size_t capacity;
    uint64_t random;
};

/* Lives to the end: the memory that is resident then is measured with it. */
static struct burst burst = {.random = SEED};

static size_t allocate(size_t wanted_bytes)
{
    size_t bytes = 0;
    for (size_t i = 0; i < burst.capacity && bytes < wanted_bytes; i++) {
        size_t size = bench_size(bench_random(&burst.random), BYTES_LOW, BYTES_HIGH);
        burst.blocks[i] = bench_make(size);
        memset(burst.blocks[i], 1, size);
        burst.sizes[i] = size;
        bytes += size;
    }
    return bytes;
}

/* Returns the bytes that live on. */
static size_t release(uint64_t kept_percent)
{
    size_t kept_bytes = 0;
    for (size_t i = 0; i < burst.capacity; i++) {
        if (burst.blocks[i] != NULL && bench_random(&burst.random) % 100 < kept_percent) {
            kept_bytes += burst.sizes[i];
            continue;
        }
        free(burst.blocks[i]);
        burst.blocks[i] = NULL;
    }
    return kept_bytes;
}

int main(int count, char **words)
{
    bench_check_allocator();
    size_t wanted_bytes = bench_number(count, words, 1) << 20;
    uint64_t kept_percent = bench_number(count, words, 2) - 1; /* 1 means none: arguments are positive */
    uint64_t rounds = bench_number(count, words, 3);
    uint64_t sleep_ms = bench_number(count, words, 4);
    burst.capacity = wanted_bytes / BYTES_LOW / 8;
    burst.blocks = malloc(burst.capacity * sizeof *burst.blocks);
    burst.sizes = malloc(burst.capacity * sizeof *burst.sizes);
    if (burst.blocks == NULL || burst.sizes == NULL)
        bench_fail("out of memory");
    /* The tables are resident before the first measurement. */
    memset(burst.blocks, 0, burst.capacity * sizeof *burst.blocks);
    memset(burst.sizes, 0, burst.capacity * sizeof *burst.sizes);
    double before_kib = bench_rss_kib();
    for (uint64_t i = 0; i < rounds; i++) {
        allocate(wanted_bytes);
        double burst_kib = bench_rss_kib() - before_kib;
        size_t kept_bytes = release(kept_percent);
        bench_sleep_ms((long)sleep_ms);
        double left_kib = bench_rss_kib() - before_kib;
        if (i + 1 < rounds) {
            release(0);
            continue;
        }
        bench_report("returned_share", 1 - left_kib / burst_kib);
        bench_report("live_kib", (double)kept_bytes / BYTES_PER_KIB);
        bench_report("left_kib", left_kib);
    }
    return 0;
}
