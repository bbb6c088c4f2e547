/* SPDX-License-Identifier: MIT */
/* alloc_remote PAIRS BATCHES: PAIRS pairs of threads. One of a pair allocates batches of blocks of 16 to 512 bytes, the
 * other frees them: every free is of another thread's block.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "bench.h"

#define PAIRS_MAX 64
#define BATCH_BLOCKS 256
#define BATCHES_UNDER_WAY 8
#define BYTES_LOW 16
#define BYTES_HIGH 512
#define SEED 88172645463325252u

/* A ring with one writer and one reader. */
struct channel {
    void *blocks[BATCHES_UNDER_WAY][BATCH_BLOCKS];
    uint64_t batches;
    _Alignas(64) _Atomic uint64_t sent;
    _Alignas(64) _Atomic uint64_t received;
};

static void *produce(void *data)
{
    struct channel *channel = data;
    uint64_t state = SEED;
    for (uint64_t batch = 0; batch < channel->batches; batch++) {
        while (batch - atomic_load_explicit(&channel->received, memory_order_acquire) == BATCHES_UNDER_WAY)
            bench_yield();
        for (size_t i = 0; i < BATCH_BLOCKS; i++) {
            size_t bytes = BYTES_LOW + bench_random(&state) % (BYTES_HIGH - BYTES_LOW + 1);
            char *block = malloc(bytes);
            if (block == NULL)
                bench_fail("out of memory");
            block[0] = (char)i;
            channel->blocks[batch % BATCHES_UNDER_WAY][i] = block;
        }
        atomic_store_explicit(&channel->sent, batch + 1, memory_order_release);
    }
    return NULL;
}

static void *consume(void *data)
{
    struct channel *channel = data;
    for (uint64_t batch = 0; batch < channel->batches; batch++) {
        while (atomic_load_explicit(&channel->sent, memory_order_acquire) == batch)
            bench_yield();
        for (size_t i = 0; i < BATCH_BLOCKS; i++)
            free(channel->blocks[batch % BATCHES_UNDER_WAY][i]);
        atomic_store_explicit(&channel->received, batch + 1, memory_order_release);
    }
    return NULL;
}

int main(int count, char **words)
{
    static struct channel channels[PAIRS_MAX];
    pthread_t threads[2 * PAIRS_MAX];
    bench_check_allocator();
    uint64_t pairs = bench_number(count, words, 1);
    uint64_t batches = bench_number(count, words, 2);
    if (pairs > PAIRS_MAX)
        bench_fail("too many PAIRS");
    double start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (uint64_t i = 0; i < pairs; i++) {
        channels[i].batches = batches;
        if (pthread_create(&threads[2 * i], NULL, produce, &channels[i]) != 0 ||
            pthread_create(&threads[2 * i + 1], NULL, consume, &channels[i]) != 0)
            bench_fail("no more threads");
    }
    for (uint64_t i = 0; i < 2 * pairs; i++)
        pthread_join(threads[i], NULL);
    double seconds = bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
    bench_report("frees_per_cpu_second", (double)(pairs * batches * BATCH_BLOCKS) / seconds);
    return 0;
}
