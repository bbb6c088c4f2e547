/* SPDX-License-Identifier: MIT */
/* Row 27: one thread allocates, another frees; memory does not pile up. */
#include <pthread.h>
#include <sched.h>

#include "conformance.h"

#define BLOCKS 2000000
#define SLOTS 1024

static void *volatile slots[SLOTS];

static void *consume(void *data)
{
    for (int i = 0; i < BLOCKS; i++) {
        void *block;
        while ((block = __atomic_exchange_n(&slots[i % SLOTS], NULL, __ATOMIC_ACQUIRE)) == NULL)
            sched_yield();
        CHECK(*(unsigned char *)block == (unsigned char)i);
        free(block);
    }
    return data;
}

int main(void)
{
    pthread_t consumer;
    CHECK(pthread_create(&consumer, NULL, consume, NULL) == 0);
    for (int i = 0; i < BLOCKS; i++) {
        unsigned char *block = malloc((size_t)(16 + i % 500));
        *block = (unsigned char)i;
        while (slots[i % SLOTS] != NULL)
            sched_yield();
        __atomic_store_n(&slots[i % SLOTS], block, __ATOMIC_RELEASE);
    }
    pthread_join(consumer, NULL);
    CHECK(resident_bytes() < 40 << 20);
    return 0;
}
