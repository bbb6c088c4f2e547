/* SPDX-License-Identifier: MIT */
/* alloc_remote PAIRS BATCHES: PAIRS pairs of threads. One of a pair allocates batches of blocks of 16 to 512 bytes, the
 * other frees them: every free is of another thread's block.
 */
#include <pthread.h>

#include "channel.h"

#define PAIRS_MAX 64
#define BYTES_LOW 16
#define BYTES_HIGH 512
#define SEED 88172645463325252u

static uint64_t batches;

static void *produce(void *data)
{
    struct channel *channel = data;
    uint64_t state = SEED;
    for (uint64_t batch = 0; batch < batches; batch++) {
        void **blocks = channel_to_write(channel, batch);
        for (size_t i = 0; i < BATCH_BLOCKS; i++) {
            size_t bytes = BYTES_LOW + bench_random(&state) % (BYTES_HIGH - BYTES_LOW + 1);
            char *block = malloc(bytes);
            if (block == NULL)
                bench_fail("out of memory");
            block[0] = (char)i;
            blocks[i] = block;
        }
        channel_written(channel, batch);
    }
    return NULL;
}

static void *consume(void *data)
{
    struct channel *channel = data;
    for (uint64_t batch = 0; batch < batches; batch++) {
        void **blocks = channel_to_read(channel, batch);
        for (size_t i = 0; i < BATCH_BLOCKS; i++)
            free(blocks[i]);
        channel_read(channel, batch);
    }
    return NULL;
}

int main(int count, char **words)
{
    static struct channel channels[PAIRS_MAX];
    pthread_t threads[2 * PAIRS_MAX];
    bench_check_allocator();
    uint64_t pairs = bench_number(count, words, 1);
    batches = bench_number(count, words, 2);
    if (pairs > PAIRS_MAX)
        bench_fail("too many PAIRS");
    double start = bench_seconds(CLOCK_MONOTONIC);
    double cpu_start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (uint64_t i = 0; i < pairs; i++)
        if (pthread_create(&threads[2 * i], NULL, produce, &channels[i]) != 0 ||
            pthread_create(&threads[2 * i + 1], NULL, consume, &channels[i]) != 0)
            bench_fail("no more threads");
    for (uint64_t i = 0; i < 2 * pairs; i++)
        pthread_join(threads[i], NULL);
    double frees = (double)(pairs * batches * BATCH_BLOCKS);
    bench_report("throughput", frees / (bench_seconds(CLOCK_MONOTONIC) - start));
    bench_report("frees_per_cpu_second", frees / (bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start));
    return 0;
}
