/* SPDX-License-Identifier: MIT */
/* Torture builds: a collection at every n-th allocation. Nothing in other builds. */
#ifndef GCI_ALLOC_TORTURE_H
#define GCI_ALLOC_TORTURE_H

#include <stdint.h>

#if defined(GCI_TORTURE)
void gci_torture_collect_every(uint64_t allocations); /* 0: never */
void torture_tick(void);
#else
static inline void torture_tick(void)
{
}
#endif

#endif
