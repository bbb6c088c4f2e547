/* SPDX-License-Identifier: MIT */
/* alloc_scale THREADS OPERATIONS: THREADS threads, each with OPERATIONS replacements in a window of its own: work that
 * shares nothing, so that twice the threads on as many processors ought to do twice as much.
 */
#include <pthread.h>

#include "bench.h"

#define THREADS_MAX 64
#define LIVE 4096
#define BYTES_LOW 16
#define BYTES_HIGH 1000

static uint64_t operations;

static void *churn(void *data)
{
    uint64_t state = (uintptr_t)data;
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
    pthread_t threads[THREADS_MAX];
    bench_check_allocator();
    uint64_t thread_count = bench_number(count, words, 1);
    operations = bench_number(count, words, 2);
    if (thread_count > THREADS_MAX)
        bench_fail("too many THREADS");
    double start = bench_seconds(CLOCK_MONOTONIC);
    for (uintptr_t i = 0; i < thread_count; i++)
        if (pthread_create(&threads[i], NULL, churn, (void *)(i + 1)) != 0)
            bench_fail("no more threads");
    for (uint64_t i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    bench_report("throughput", (double)(thread_count * operations) / (bench_seconds(CLOCK_MONOTONIC) - start));
    return 0;
}
