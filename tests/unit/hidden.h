/* SPDX-License-Identifier: MIT */
/* For tests of what is a root: an address that nothing holds as it is, and a thread that is waited for. Each file has its own. */
#ifndef TESTS_HIDDEN_H
#define TESTS_HIDDEN_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

static __attribute__((noinline)) void clear_stack(void)
{
    volatile char area[16384];
    for (size_t i = 0; i < sizeof area; i++)
        area[i] = 0;
}

static volatile uintptr_t hidden; /* complemented */
static volatile u32_shared is_ready, is_over;

static inline void *shown(void)
{
    return (void *)~hidden;
}

static inline void wait_for(volatile u32_shared *flag)
{
    while (u32_load_acquire(flag) == 0)
        sched_yield();
}

#endif
