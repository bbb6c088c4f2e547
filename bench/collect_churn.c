/* SPDX-License-Identifier: MIT */
/* collect_churn THREADS STEPS: each thread has a window of its own, of blocks of 16 to 512 bytes that point at each other, and
 * replaces one of them in each step.
 */
#include "collector.h"

#include "threads.h"

#define WINDOW 20000
#define BYTES_LOW 16
#define BYTES_HIGH 512

static uint64_t steps;

struct block {
    struct block *other;
    uint64_t id;
};

static void *churn(void *data)
{
    uint64_t state = (uintptr_t)data * 7919 + 1;
    struct block **window = collector_new(WINDOW * sizeof(void *));
    for (uint64_t step = 0; step < steps; step++) {
        uint64_t random = bench_random(&state);
        struct block **place = &window[random % WINDOW];
        collector_free(*place);
        *place = collector_new(bench_size(random >> 20, BYTES_LOW, BYTES_HIGH));
        (*place)->id = step;
        if (!COLLECTOR_FREES && step % 8 == 0) /* not through blocks that are replaced: chains would grow without end */
            (*place)->other = (struct block *)window;
    }
    for (size_t i = 0; i < WINDOW; i++)
        collector_free(window[i]);
    collector_free(window);
    return NULL;
}

int main(int count, char **words)
{
    collector_start();
    uint64_t thread_count = bench_number(count, words, 1);
    steps = bench_number(count, words, 2);
    double start = bench_seconds(CLOCK_MONOTONIC);
    bench_run_threads(thread_count, churn);
    bench_report("throughput", (double)(thread_count * steps) / (bench_seconds(CLOCK_MONOTONIC) - start));
    return 0;
}
