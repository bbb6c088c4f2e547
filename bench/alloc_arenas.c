/* SPDX-License-Identifier: MIT */
/* alloc_arenas THREADS ROUNDS: THREADS threads at the same time, each with a few blocks of each of 40 sizes, which it
 * replaces ROUNDS times: many arenas times many threads. Reports what a thread costs in memory.
 */
#include <pthread.h>

#include "bench.h"

#define THREADS_MAX 256
#define SIZES 40
#define BLOCKS_OF_A_SIZE 4
#define STACK_BYTES ((size_t)256 << 10)

static pthread_barrier_t barrier;
static uint64_t rounds;

static size_t size_of(size_t index)
{
    return 16 + index * index * 5;
}

static void *replace_all(void *data)
{
    char *blocks[SIZES][BLOCKS_OF_A_SIZE] = {{NULL}};
    for (uint64_t round = 0; round < rounds; round++)
        for (size_t size = 0; size < SIZES; size++)
            for (size_t i = 0; i < BLOCKS_OF_A_SIZE; i++) {
                free(blocks[size][i]);
                blocks[size][i] = bench_make(size_of(size));
            }
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    for (size_t size = 0; size < SIZES; size++)
        for (size_t i = 0; i < BLOCKS_OF_A_SIZE; i++)
            free(blocks[size][i]);
    return data;
}

int main(int count, char **words)
{
    pthread_t threads[THREADS_MAX];
    pthread_attr_t attributes;
    bench_check_allocator();
    uint64_t thread_count = bench_number(count, words, 1);
    rounds = bench_number(count, words, 2);
    if (thread_count > THREADS_MAX)
        bench_fail("too many THREADS");
    pthread_barrier_init(&barrier, NULL, (unsigned)thread_count + 1);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    double before_kib = bench_rss_kib();
    for (uint64_t i = 0; i < thread_count; i++)
        if (pthread_create(&threads[i], &attributes, replace_all, NULL) != 0)
            bench_fail("no more threads");
    pthread_barrier_wait(&barrier);
    bench_report("kib_per_thread", (bench_rss_kib() - before_kib) / (double)thread_count);
    pthread_barrier_wait(&barrier);
    for (uint64_t i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
