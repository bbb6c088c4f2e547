/* SPDX-License-Identifier: MIT */
/* alloc_first: one block and no more. alloc_first THREADS: as many threads, each with one block.
 * Reports what the first block, or a further thread, costs in memory.
 */
#include <pthread.h>

#include "bench.h"

#define THREADS_MAX 1000
#define BLOCK_BYTES 64
#define STACK_BYTES ((size_t)64 << 10)

static pthread_barrier_t barrier;
static int allocates;

static void *hold_one(void *data)
{
    char *block = allocates ? bench_make(BLOCK_BYTES) : NULL;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    free(block);
    return data;
}

/* Growth by all threads while they are there. */
static double measure(uint64_t thread_count)
{
    static pthread_t threads[THREADS_MAX];
    pthread_attr_t attributes;
    pthread_barrier_init(&barrier, NULL, (unsigned)thread_count + 1);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    double before_kib = bench_rss_kib();
    for (uint64_t i = 0; i < thread_count; i++)
        if (pthread_create(&threads[i], &attributes, hold_one, NULL) != 0)
            bench_fail("no more threads");
    pthread_barrier_wait(&barrier);
    double grown_kib = bench_rss_kib() - before_kib;
    pthread_barrier_wait(&barrier);
    for (uint64_t i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    return grown_kib;
}

int main(int count, char **words)
{
    bench_check_allocator();
    if (count == 1) {
        double before_kib = bench_rss_kib();
        free(bench_make(BLOCK_BYTES));
        bench_report("first_block_kib", bench_rss_kib() - before_kib);
        bench_report("process_kib", bench_rss_kib());
        return 0;
    }
    uint64_t thread_count = bench_number(count, words, 1);
    if (thread_count > THREADS_MAX)
        bench_fail("too many THREADS");
    measure(thread_count); /* stacks are kept by the C library: only what comes after counts */
    double plain_kib = measure(thread_count);
    allocates = 1;
    bench_report("kib_per_thread", (measure(thread_count) - plain_kib) / (double)thread_count);
    return 0;
}
