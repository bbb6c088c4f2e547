/* SPDX-License-Identifier: MIT */
/* Torture builds: a collection at every n-th allocation, and points where a test has other threads come in between. Nothing in
 * other builds.
 */
#ifndef GCI_ALLOC_TORTURE_H
#define GCI_ALLOC_TORTURE_H

#include <stdint.h>

/* Steps of alloc/counts/count.c that have two halves; no lock is held there, but the first two may come with that of counts. */
enum torture_point {
    TORTURE_LEAVES_OWNER, /* the owner has seen the state that it is about to change */
    TORTURE_LEFT_OWNER,   /* and changed it, but what it had is not yet added */
    TORTURE_QUEUES,       /* flagged as queued, not yet in the inbox */
    TORTURE_ERRANDS,      /* the inbox is empty, the errands are not over */
    TORTURE_BEGINS_AGAIN  /* after each step by which the owner's count begins again */
};

#if defined(GCI_TORTURE)
extern void (*gci_torture_hook)(enum torture_point point);
void torture_point(enum torture_point point);
void gci_torture_collect_every(uint64_t allocations); /* 0: never */
void torture_tick(void);
#else
static inline void torture_tick(void)
{
}
static inline void torture_point(enum torture_point point)
{
    (void)point;
}
#endif

#endif
