/* SPDX-License-Identifier: MIT */
/* alloc_server WORKERS GENERATIONS BLOCKS OPERATIONS: WORKERS chains of threads. Each thread takes over BLOCKS blocks from the
 * one before it, replaces OPERATIONS of them at random, hands them on to a new thread and dies: most frees are of blocks
 * whose thread is gone.
 */
#include <pthread.h>

#include "bench.h"

#define WORKERS_MAX 64
#define BYTES_LOW 16
#define BYTES_HIGH 1000

struct chain {
    void **blocks;
    uint64_t block_count;
    uint64_t generations;
    uint64_t operations;
    uint64_t random;
};

static void *serve(void *data)
{
    struct chain *chain = data;
    for (uint64_t i = 0; i < chain->operations; i++) {
        uint64_t random = bench_random(&chain->random);
        void **place = &chain->blocks[(random >> 32) % chain->block_count];
        free(*place);
        *place = bench_make(bench_size(random, BYTES_LOW, BYTES_HIGH));
    }
    return NULL;
}

static void *run_chain(void *data)
{
    struct chain *chain = data;
    for (uint64_t i = 0; i < chain->generations; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, chain) != 0)
            bench_fail("no more threads");
        pthread_join(thread, NULL);
    }
    return NULL;
}

int main(int count, char **words)
{
    static struct chain chains[WORKERS_MAX];
    pthread_t threads[WORKERS_MAX];
    bench_check_allocator();
    uint64_t workers = bench_number(count, words, 1);
    uint64_t generations = bench_number(count, words, 2);
    uint64_t blocks = bench_number(count, words, 3);
    uint64_t operations = bench_number(count, words, 4);
    if (workers > WORKERS_MAX)
        bench_fail("too many WORKERS");
    double start = bench_seconds(CLOCK_MONOTONIC);
    for (uint64_t i = 0; i < workers; i++) {
        chains[i] = (struct chain){calloc(blocks, sizeof(void *)), blocks, generations, operations, i + 1};
        if (chains[i].blocks == NULL || pthread_create(&threads[i], NULL, run_chain, &chains[i]) != 0)
            bench_fail("no more memory or threads");
    }
    for (uint64_t i = 0; i < workers; i++)
        pthread_join(threads[i], NULL);
    double seconds = bench_seconds(CLOCK_MONOTONIC) - start;
    bench_report("throughput", (double)(workers * generations * operations) / seconds);
    return 0;
}
