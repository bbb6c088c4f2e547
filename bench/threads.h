/* SPDX-License-Identifier: MIT */
/* Threads that all do the same. Behind collector.h where that is included: libgc has a pthread_create of its own. */
#ifndef GCALLOC_BENCH_THREADS_H
#define GCALLOC_BENCH_THREADS_H

#include <pthread.h>

#include "bench.h"

#define BENCH_THREADS_MAX 64

/* Threads that all do `work`, each with its number, from 0 on, as data; until the last one has ended. */
static inline void bench_run_threads(uint64_t count, void *(*work)(void *data))
{
    pthread_t threads[BENCH_THREADS_MAX];
    if (count > BENCH_THREADS_MAX)
        bench_fail("too many THREADS");
    for (uintptr_t i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)i) != 0)
            bench_fail("no more threads");
    for (uint64_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

#endif
