/* SPDX-License-Identifier: MIT */
/* Contract: locks that a fork child can reset, and parking.
 *
 * A zeroed struct lock is unlocked. Locks do not nest in themselves. Nothing here allocates or changes errno.
 */
#ifndef GCI_PLATFORM_SYNC_H
#define GCI_PLATFORM_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"

struct lock {
    volatile u32_shared state; /* 0 free, 1 held, 2 held and somebody may be parked on it */
};

void gci_lock_acquire(struct lock *lock);
bool gci_lock_try(struct lock *lock);
void gci_lock_release(struct lock *lock);
void gci_lock_reset(struct lock *lock); /* fork child only: unlocked, whatever it was */

#define PARK_FOREVER UINT64_MAX

/* Sleeps while *at == expected, at most `nanoseconds`; may return early. Async-signal-safe. */
void gci_park(const volatile u32_shared *at, uint32_t expected, uint64_t nanoseconds);

/* Wakes everybody parked on `at`. Async-signal-safe. */
void gci_wake_all(const volatile u32_shared *at);

#endif
