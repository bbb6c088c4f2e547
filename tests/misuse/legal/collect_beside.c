/* SPDX-License-Identifier: MIT */
/* One thread collects without a pause while others free what they and their neighbours made. */
#include "legal.h"

#include <stdatomic.h>

#define THREADS 3
#define REQUESTS 60000
#define SLOTS 64

static _Atomic(struct filled *) handed[SLOTS];
static atomic_int working = THREADS;

static void *work(void *data)
{
    uint32_t random = (uint32_t)(uintptr_t)data;
    for (size_t i = 0; i < REQUESTS; i++) {
        struct filled *block = make_filled(next_random(&random) % 600, (uint8_t)i);
        block = atomic_exchange(&handed[next_random(&random) % SLOTS], block);
        if (block != NULL && i % 8 != 0) /* one in eight is dropped */
            free_filled(block);
    }
    atomic_fetch_sub(&working, 1);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        threads[i] = start_thread(work, (void *)(i + 1));
    while (atomic_load(&working) != 0)
        gca_collect();
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
