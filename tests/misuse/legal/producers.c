/* SPDX-License-Identifier: MIT */
/* Two million random requests on four threads that hand each other half of their blocks to free or resize. */
#include "legal.h"

#include <stdatomic.h>

#define THREADS 4
#define REQUESTS 500000
#define OWN_SLOTS 512
#define SHARED_SLOTS 256

static _Atomic(struct filled *) shared[SHARED_SLOTS];
static atomic_uint changed;

/* Mostly small; one in 4000 is a large block. */
static uint32_t random_size(uint32_t *random)
{
    uint32_t sort = next_random(random) % 4000;
    if (sort == 0)
        return 33000 + next_random(random) % 200000;
    return sort < 200 ? next_random(random) % 9000 : next_random(random) % 400;
}

static struct filled *change_one(struct filled *block, uint32_t *random)
{
    uint32_t bytes = random_size(random) + (uint32_t)sizeof(struct filled);
    uint8_t value = (uint8_t)next_random(random);
    if (block == NULL)
        return make_filled(bytes, value);
    check_filled(block);
    if (next_random(random) % 3 != 0) {
        free(block);
        return NULL;
    }
    uint32_t kept = block->bytes < bytes ? block->bytes : bytes;
    struct filled *resized = realloc(block, bytes);
    REQUIRE(resized != NULL);
    resized->bytes = kept;
    check_filled(resized);
    fill(resized, bytes, value);
    return resized;
}

static void *work(void *data)
{
    static _Thread_local struct filled *own[OWN_SLOTS];
    uint32_t random = (uint32_t)(uintptr_t)data;
    for (size_t i = 0; i < REQUESTS; i++) {
        struct filled **slot = &own[next_random(&random) % OWN_SLOTS];
        *slot = change_one(*slot, &random);
        if (i % 2 == 0)
            *slot = atomic_exchange(&shared[next_random(&random) % SHARED_SLOTS], *slot);
    }
    for (size_t i = 0; i < OWN_SLOTS; i++) {
        if (own[i] != NULL)
            free_filled(own[i]);
        own[i] = NULL;
    }
    atomic_fetch_add(&changed, 1);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        threads[i] = start_thread(work, (void *)(i + 1));
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < SHARED_SLOTS; i++) {
        struct filled *block = atomic_load(&shared[i]);
        if (block != NULL)
            free_filled(block);
    }
    REQUIRE(atomic_load(&changed) == THREADS);
    return 0;
}
