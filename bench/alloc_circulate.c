/* SPDX-License-Identifier: MIT */
/* alloc_circulate THREADS BATCHES: threads in a circle hand batches of blocks on to the next, BATCHES each. A thread frees
 * one block of each REPLACED_OF in a batch, whoever made it, and puts its own in the place: a block passes through several
 * threads before one of them frees it.
 */
#include "channel.h"
#include "threads.h"

#define BYTES_LOW 16
#define BYTES_HIGH 512
#define REPLACED_OF 4
/* Half of what a channel holds: a circle in which all channels are full would stand still. */
#define BATCHES_AT_START (BATCHES_UNDER_WAY / 2)

static struct channel channels[BENCH_THREADS_MAX];
static uint64_t thread_count;
static uint64_t batches;

static void fill(struct channel *channel, uint64_t *state)
{
    for (uint64_t batch = 0; batch < BATCHES_AT_START; batch++) {
        void **blocks = channel_to_write(channel, batch);
        for (size_t i = 0; i < BATCH_BLOCKS; i++)
            blocks[i] = bench_make(bench_size(bench_random(state), BYTES_LOW, BYTES_HIGH));
        channel_written(channel, batch);
    }
}

static void drain(struct channel *channel)
{
    for (uint64_t batch = batches; batch < batches + BATCHES_AT_START; batch++) {
        void **blocks = channel_to_read(channel, batch);
        for (size_t i = 0; i < BATCH_BLOCKS; i++)
            free(blocks[i]);
        channel_read(channel, batch);
    }
}

static void *hand_on(void *data)
{
    uint64_t self = (uintptr_t)data;
    uint64_t state = self + 1;
    struct channel *from = &channels[self];
    struct channel *to = &channels[(self + 1) % thread_count];
    for (uint64_t batch = 0; batch < batches; batch++) {
        void **old = channel_to_read(from, batch);
        void **blocks = channel_to_write(to, batch + BATCHES_AT_START);
        memcpy(blocks, old, BATCH_BLOCKS * sizeof *blocks);
        channel_read(from, batch);
        for (size_t i = 0; i < BATCH_BLOCKS; i += REPLACED_OF) {
            uint64_t random = bench_random(&state);
            void **place = &blocks[i + (random >> 32) % REPLACED_OF];
            free(*place);
            *place = bench_make(bench_size(random, BYTES_LOW, BYTES_HIGH));
        }
        channel_written(to, batch + BATCHES_AT_START);
    }
    return NULL;
}

int main(int count, char **words)
{
    uint64_t state = BENCH_THREADS_MAX + 1;
    bench_check_allocator();
    thread_count = bench_number(count, words, 1);
    batches = bench_number(count, words, 2);
    if (thread_count < 2 || thread_count > BENCH_THREADS_MAX)
        bench_fail("THREADS is 2 to 64");
    for (uint64_t i = 0; i < thread_count; i++)
        fill(&channels[i], &state);
    double start = bench_seconds(CLOCK_MONOTONIC);
    double cpu_start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    bench_run_threads(thread_count, hand_on);
    uint64_t frees = thread_count * batches * (BATCH_BLOCKS / REPLACED_OF);
    bench_report("throughput", (double)frees / (bench_seconds(CLOCK_MONOTONIC) - start));
    bench_report("frees_per_cpu_second", (double)frees / (bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start));
    for (uint64_t i = 0; i < thread_count; i++)
        drain(&channels[i]);
    return 0;
}
