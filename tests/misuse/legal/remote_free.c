/* SPDX-License-Identifier: MIT */
/* Blocks of one thread that others free: while it runs, and after it has ended. */
#include "legal.h"

#define BLOCKS 20000
#define ROUNDS 5

static struct filled *blocks[BLOCKS];

static void *make(void *data)
{
    uint32_t random = (uint32_t)(uintptr_t)data;
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = make_filled(next_random(&random) % 700, (uint8_t)i);
    return NULL;
}

static void *free_half(void *data)
{
    for (size_t i = (size_t)data; i < BLOCKS; i += 2)
        free_filled(blocks[i]);
    return NULL;
}

int main(void)
{
    for (uintptr_t round = 0; round < ROUNDS; round++) {
        if (round % 2 == 0)
            pthread_join(start_thread(make, (void *)round), NULL);
        else
            make((void *)round);
        pthread_t even = start_thread(free_half, (void *)0);
        free_half((void *)1);
        pthread_join(even, NULL);
    }
    return 0;
}
