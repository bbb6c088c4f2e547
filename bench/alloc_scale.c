/* SPDX-License-Identifier: MIT */
/* alloc_scale THREADS OPERATIONS: THREADS threads, each with OPERATIONS replacements in a window of its own: work that
 * shares nothing, so that twice the threads on as many processors ought to do twice as much.
 */
#include "bench.h"
#include "threads.h"

#define LIVE 4096
#define BYTES_LOW 16
#define BYTES_HIGH 1000

static uint64_t operations;

static void *churn(void *data)
{
    uint64_t state = (uintptr_t)data + 1;
    void **blocks = calloc(LIVE, sizeof *blocks);
    if (blocks == NULL)
        bench_fail("out of memory");
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t random = bench_random(&state);
        void **place = &blocks[(random >> 32) % LIVE];
        free(*place);
        *place = bench_make(bench_size(random, BYTES_LOW, BYTES_HIGH));
    }
    for (size_t i = 0; i < LIVE; i++)
        free(blocks[i]);
    free(blocks);
    return NULL;
}

int main(int count, char **words)
{
    bench_check_allocator();
    uint64_t thread_count = bench_number(count, words, 1);
    operations = bench_number(count, words, 2);
    double start = bench_seconds(CLOCK_MONOTONIC);
    bench_run_threads(thread_count, churn);
    bench_report("throughput", (double)(thread_count * operations) / (bench_seconds(CLOCK_MONOTONIC) - start));
    return 0;
}
