/* SPDX-License-Identifier: MIT */
/* One source, three programs: with malloc and free (BENCH_FREE), with malloc alone, for a malloc that collects or for a pure
 * leak, and with libgc (BENCH_LIBGC).
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

/* Zeroed; ends the program when there is no memory. */
static inline void *collector_new(size_t bytes)
{
#if defined(BENCH_LIBGC)
    void *block = GC_MALLOC(bytes);
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
