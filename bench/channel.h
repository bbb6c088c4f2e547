/* SPDX-License-Identifier: MIT */
/* A ring of batches of blocks between two threads, one that writes and one that reads. Blocks lie in it as plain words, so
 * that a collector sees them while no thread has them.
 */
#ifndef GCALLOC_BENCH_CHANNEL_H
#define GCALLOC_BENCH_CHANNEL_H

#include <stdatomic.h>

#include "bench.h"

#define BATCH_BLOCKS 256
#define BATCHES_UNDER_WAY 8

struct channel {
    void *blocks[BATCHES_UNDER_WAY][BATCH_BLOCKS];
    _Alignas(64) _Atomic uint64_t sent;
    _Alignas(64) _Atomic uint64_t received;
};

/* The place of batch number `batch`, once there is room to write it. */
static inline void **channel_to_write(struct channel *channel, uint64_t batch)
{
    while (batch - atomic_load_explicit(&channel->received, memory_order_acquire) == BATCHES_UNDER_WAY)
        bench_yield();
    return channel->blocks[batch % BATCHES_UNDER_WAY];
}

static inline void channel_written(struct channel *channel, uint64_t batch)
{
    atomic_store_explicit(&channel->sent, batch + 1, memory_order_release);
}

/* The place of batch number `batch`, once it is there. */
static inline void **channel_to_read(struct channel *channel, uint64_t batch)
{
    while (atomic_load_explicit(&channel->sent, memory_order_acquire) == batch)
        bench_yield();
    return channel->blocks[batch % BATCHES_UNDER_WAY];
}

static inline void channel_read(struct channel *channel, uint64_t batch)
{
    atomic_store_explicit(&channel->received, batch + 1, memory_order_release);
}

#endif
