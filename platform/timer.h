/* SPDX-License-Identifier: MIT */
/* Contract: one timer of the process, which sends it a signal once.
 *
 * Callers see to it that only one of them is here at a time. Async-signal-safe; errno is kept. A child of fork has no
 * timer and says so by gci_timer_forget.
 */
#ifndef GCI_PLATFORM_TIMER_H
#define GCI_PLATFORM_TIMER_H

#include <stdint.h>

/* Sends `signal` with the value `marker` to the process, to any thread that does not block it, after `nanoseconds` (not 0)
 * from now instead of when it was to come before. 0 or an errno value. */
int gci_timer_start(int signal, uintptr_t marker, uint64_t nanoseconds);

/* It sends no more. */
void gci_timer_end(void);

/* What the calling process knows of is a timer of its parent. */
void gci_timer_forget(void);

#endif
