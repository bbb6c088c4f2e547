/* SPDX-License-Identifier: MIT */
/* Critical sections: stretches of a slow path in which the thread must not be stopped.
 *
 * A stop signal that arrives inside one is noted and answered when the thread leaves. So whenever the world is stopped,
 * no thread holds a lock of the heap and every list is whole. Inside: short work, locks of the heap, system calls that
 * return; never a callback, never waiting for the collector. errno on leaving is what it was on entering. Sections nest.
 */
#ifndef GCI_WORLD_CRITICAL_H
#define GCI_WORLD_CRITICAL_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "platform/cpu.h"

/* The calling thread's, read by the stop handler on the same thread: volatile is all the ordering that takes. */
struct critical {
    volatile uint32_t depth;
    volatile bool stop_is_pending; /* the signal has come, whatever for */
    int saved_errno;
};

extern __thread struct critical gci_critical TLS_INITIAL_EXEC HIDDEN;

/* Answers a stop, or a tick, that was put off. */
void gci_world_answer_stop(void);

static inline void critical_enter(void)
{
    if (gci_critical.depth++ == 0)
        gci_critical.saved_errno = errno;
    __asm__ volatile("" : : : "memory");
}

static inline void critical_leave(void)
{
    __asm__ volatile("" : : : "memory");
    if (gci_critical.depth == 1)
        errno = gci_critical.saved_errno;
    if (--gci_critical.depth == 0 && UNLIKELY(gci_cpu_is_set(&gci_critical.stop_is_pending)))
        gci_world_answer_stop();
}

/* The same for a few instructions without a system call: errno needs no care. */
static inline void critical_enter_brief(void)
{
    gci_cpu_count(&gci_critical.depth);
    __asm__ volatile("" : : : "memory");
}

static inline void critical_leave_brief(void)
{
    __asm__ volatile("" : : : "memory");
    if (--gci_critical.depth == 0 && UNLIKELY(gci_cpu_is_set(&gci_critical.stop_is_pending)))
        gci_world_answer_stop();
}

static inline bool critical_is_inside(void)
{
    return gci_critical.depth != 0;
}

#endif
