/* SPDX-License-Identifier: MIT */
/* alloc_threads THREADS BLOCKS: THREADS threads one after the other; each allocates BLOCKS blocks, frees half of them and
 * leaves the rest to the next, which frees them.
 */
#include <pthread.h>

#include "bench.h"

#define BLOCKS_MAX 4096
#define SEED 88172645463325252u

static uint64_t block_count;
static void *left[BLOCKS_MAX];
static uint64_t state = SEED;

static void *live_briefly(void *data)
{
    for (uint64_t i = 0; i < block_count; i++)
        free(left[i]);
    for (uint64_t i = 0; i < block_count; i++) {
        char *block = malloc(16 + bench_random(&state) % 1024);
        if (block == NULL)
            bench_fail("out of memory");
        block[0] = (char)i;
        left[i] = block;
    }
    for (uint64_t i = 0; i < block_count; i += 2) {
        free(left[i]);
        left[i] = NULL;
    }
    return data;
}

int main(int count, char **words)
{
    bench_check_allocator();
    uint64_t threads = bench_number(count, words, 1);
    block_count = bench_number(count, words, 2);
    if (block_count > BLOCKS_MAX)
        bench_fail("too many BLOCKS");
    for (uint64_t i = 0; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, live_briefly, NULL) != 0)
            bench_fail("no more threads");
        pthread_join(thread, NULL);
    }
    return 0;
}
