/* SPDX-License-Identifier: MIT */
/* One source, four programs: with malloc and free (BENCH_FREE), with malloc alone, for a malloc that collects or for a pure
 * leak, with libgc (BENCH_LIBGC), and, where what a program leaves is soon forgotten, with memory that is used again without
 * any question (BENCH_FLOOR): what the program costs by itself, and so the floor for every collector.
 */
#ifndef GCALLOC_COLLECTOR_H
#define GCALLOC_COLLECTOR_H

#include <stdbool.h>

#include "bench.h"

#if defined(BENCH_LIBGC)
#define GC_THREADS
#include <gc.h>
#else
#include <pthread.h>
#endif

typedef void *(*collector_atomic_fn)(size_t bytes);
typedef void (*collector_collect_fn)(void);
static collector_atomic_fn collector_atomic;
static collector_collect_fn collector_collect;

/* libgc marks with several threads once the program has one of its own. */
static inline void collector_start(void)
{
#if defined(BENCH_LIBGC)
    GC_INIT();
    GC_start_mark_threads();
    collector_atomic = GC_malloc_atomic;
    collector_collect = GC_gcollect;
#else
    bench_check_allocator();
    /* ISO C has no cast from an object pointer to a function's. */
    *(void **)&collector_atomic = dlsym(RTLD_DEFAULT, "gca_malloc_atomic");
    *(void **)&collector_collect = dlsym(RTLD_DEFAULT, "gca_collect");
    if (collector_atomic == NULL)
        collector_atomic = malloc;
#endif
}

#if defined(BENCH_FLOOR)
/* A thread's first blocks are kept: what lives all the time, and what the programs make before it. The others lie in a ring that
 * is larger than all that the programs look at again, and smaller than what a collector lets them have. */
#define FLOOR_KEPT_BYTES ((size_t)24 << 20)
#define FLOOR_RING_BYTES ((size_t)16 << 20)

static _Thread_local char *floor_ring;
static _Thread_local char *floor_next;

static __attribute__((noinline)) void *floor_again(size_t bytes)
{
    if (floor_ring == NULL) {
        char *kept = malloc(FLOOR_KEPT_BYTES + FLOOR_RING_BYTES);
        if (kept == NULL)
            return NULL;
        floor_ring = kept + FLOOR_KEPT_BYTES;
        floor_next = kept;
    } else {
        floor_next = floor_ring;
    }
    void *block = floor_next;
    floor_next += bytes;
    return block;
}

static inline void *floor_allocate(size_t bytes)
{
    bytes = (bytes + 15) / 16 * 16;
    if (floor_next == NULL || bytes > (size_t)(floor_ring + FLOOR_RING_BYTES - floor_next))
        return floor_again(bytes);
    void *block = floor_next;
    floor_next += bytes;
    return block;
}
#endif

/* Zeroed; ends the program when there is no memory. */
static inline void *collector_new(size_t bytes)
{
#if defined(BENCH_LIBGC)
    void *block = GC_MALLOC(bytes);
#elif defined(BENCH_FLOOR)
    void *block = floor_allocate(bytes);
    if (block != NULL)
        memset(block, 0, bytes);
#else
    void *block = malloc(bytes);
    if (block != NULL)
        memset(block, 0, bytes);
#endif
    if (block == NULL)
        bench_fail("out of memory");
    return block;
}

/* Holds no pointers; not zeroed. */
static inline void *collector_new_atomic(size_t bytes)
{
    void *block = collector_atomic(bytes);
    if (block == NULL)
        bench_fail("out of memory");
    return block;
}

/* Where the program frees. */
static inline void collector_free(void *block)
{
#if defined(BENCH_FREE)
    free(block);
#else
    (void)block;
#endif
}

#if defined(BENCH_FREE)
#define COLLECTOR_FREES true
#else
#define COLLECTOR_FREES false
#endif

#endif
