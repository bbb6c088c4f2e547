/* SPDX-License-Identifier: MIT */
/* Implementation of alloc/torture.h. */
#include "alloc/torture.h"

#if defined(GCI_TORTURE)

#include <stddef.h>

#include "base/atomic.h"
#include "collect/cycle.h"
#include "world/critical.h"

static uint64_t interval;
static shared_word ticks;

void (*gci_torture_hook)(enum torture_point point);

void torture_point(enum torture_point point)
{
    if (gci_torture_hook != NULL)
        gci_torture_hook(point);
}

void gci_torture_collect_every(uint64_t allocations)
{
    interval = allocations;
}

void torture_tick(void)
{
    if (interval != 0 && word_add(&ticks, 1) % interval == 0 && !critical_is_inside())
        gci_cycle_run(REASON_TORTURE);
}

#else
typedef int torture_is_empty_in_this_build; /* ISO C wants a declaration in every file */
#endif
