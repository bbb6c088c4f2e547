/* SPDX-License-Identifier: MIT */
/* Calls that hand the kernel a pointer to give back later: while it has it, the pointer is a root.
 *
 * The word is remembered before the call, so that there is no moment in which only the kernel has it; where the kernel refuses
 * it, the one that it keeps is remembered again.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

#include "alloc/alloc.h"
#include "api/interpose/real.h"
#include "world/critical.h"
#include "world/kernel_words.h"

#define TIMER_HOLDER (UINT64_C(1) << 63)

static bool remember(struct kernel_key key, uintptr_t value)
{
    if (!gci_alloc_is_ready())
        return true;
    critical_enter();
    bool done = gci_kernel_words_put(key, value);
    critical_leave();
    return done;
}

static uintptr_t recall(struct kernel_key key)
{
    if (!gci_alloc_is_ready())
        return 0;
    critical_enter();
    uintptr_t value = gci_kernel_words_find(key);
    critical_leave();
    return value;
}

static void forget(struct kernel_key key)
{
    if (!gci_alloc_is_ready())
        return;
    critical_enter();
    gci_kernel_words_remove(key);
    critical_leave();
}

DECLARE_NEXT(epoll_ctl)
DECLARE_NEXT(timer_create)
DECLARE_NEXT(timer_delete)

EXPORT int epoll_ctl(int epoll, int operation, int descriptor, struct epoll_event *event)
{
    struct kernel_key key = {(uint32_t)epoll, (uint32_t)descriptor};
    bool is_set = operation != EPOLL_CTL_DEL && event != NULL;
    volatile uintptr_t before = is_set ? recall(key) : 0; /* alive until it is known whether the kernel keeps it */
    if (is_set && !remember(key, (uintptr_t)event->data.u64)) {
        errno = ENOMEM;
        return -1;
    }
    int result = next_epoll_ctl()(epoll, operation, descriptor, event);
    if (is_set && result != 0)
        remember(key, before);
    if (operation == EPOLL_CTL_DEL && result == 0)
        forget(key);
    return result;
}

static struct kernel_key timer_key(timer_t timer)
{
    return (struct kernel_key){TIMER_HOLDER | (uintptr_t)timer, 0};
}

EXPORT int timer_create(clockid_t clock, struct sigevent *restrict event, timer_t *restrict timer)
{
    void *volatile value = event != NULL ? event->sigev_value.sival_ptr : NULL; /* alive until it is remembered */
    int result = next_timer_create()(clock, event, timer);
    if (result == 0 && value != NULL && !remember(timer_key(*timer), (uintptr_t)value)) {
        next_timer_delete()(*timer);
        errno = EAGAIN;
        return -1;
    }
    return result;
}

EXPORT int timer_delete(timer_t timer)
{
    forget(timer_key(timer));
    return next_timer_delete()(timer);
}
