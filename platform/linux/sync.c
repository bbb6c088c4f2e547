/* SPDX-License-Identifier: MIT */
/* platform/sync.h on futexes.
 *
 * Lock states: 0 free, 1 held, 2 held with sleepers. A sleeper sets 2 before it parks and takes the lock as 2, so
 * that its release wakes the next; see Drepper, "Futexes are tricky", mutex 2.
 */
#include "platform/sync.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "platform/cpu.h"

#define SPINS_BEFORE_PARKING 100 /* some microseconds: longer than most critical sections here */
#define NS_PER_SECOND 1000000000u

bool gci_lock_try(struct lock *lock)
{
    return u32_compare_and_swap(&lock->state, 0, 1);
}

static NOINLINE void acquire_contended(struct lock *lock)
{
    for (int i = 0; i < SPINS_BEFORE_PARKING; i++) {
        if (u32_load(&lock->state) == 0 && gci_lock_try(lock))
            return;
        gci_cpu_relax();
    }
    while (u32_exchange(&lock->state, 2) != 0)
        gci_park(&lock->state, 2, PARK_FOREVER);
}

void gci_lock_acquire(struct lock *lock)
{
    if (UNLIKELY(!gci_lock_try(lock)))
        acquire_contended(lock);
}

void gci_lock_release(struct lock *lock)
{
    if (UNLIKELY(u32_exchange(&lock->state, 0) == 2))
        syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void gci_lock_reset(struct lock *lock)
{
    u32_store_release(&lock->state, 0);
}

void gci_park(const volatile u32_shared *at, uint32_t expected, uint64_t nanoseconds)
{
    int saved = errno;
    struct timespec limit = {(time_t)(nanoseconds / NS_PER_SECOND), (long)(nanoseconds % NS_PER_SECOND)};
    syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, expected, nanoseconds == PARK_FOREVER ? NULL : &limit, NULL, 0);
    errno = saved;
}

void gci_wake_all(const volatile u32_shared *at)
{
    int saved = errno;
    syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    errno = saved;
}
