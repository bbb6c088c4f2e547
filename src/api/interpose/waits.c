/* SPDX-License-Identifier: MIT */
/* Calls that wait, and that the kernel does not resume after a signal handler whatever its flags (signal(7)): when our
 * stop signal alone interrupts one, it goes on with the time that is left and the program sees nothing.
 *
 * Nothing is kept across the real call, so cancelling the thread in it, or leaving it by longjmp, needs no care.
 */
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "api/interpose/mask.h"
#include "api/interpose/real.h"
#include "platform/clock.h"

#define NS_PER_SECOND 1000000000
#define NS_PER_MS 1000000
#define NS_PER_US 1000

/* ---- Time that is left -------------------------------------------------------------------------------------------- */

#define NO_DEADLINE UINT64_MAX

static uint64_t deadline_after_ms(int milliseconds)
{
    return milliseconds <= 0 ? NO_DEADLINE : gci_clock_ns() + (uint64_t)milliseconds * NS_PER_MS;
}

/* Rounded up, so that a wait is never shorter than asked for; -1 stays "for ever". */
static int ms_until(uint64_t deadline, int milliseconds)
{
    if (deadline == NO_DEADLINE)
        return milliseconds;
    uint64_t now = gci_clock_ns();
    return now >= deadline ? 0 : (int)((deadline - now + NS_PER_MS - 1) / NS_PER_MS);
}

static uint64_t ns_of(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * NS_PER_SECOND + (uint64_t)time->tv_nsec;
}

static bool is_limited(const struct timespec *time)
{
    return time != NULL && time->tv_sec >= 0 && time->tv_sec <= UINT32_MAX;
}

static uint64_t deadline_after(const struct timespec *time)
{
    return is_limited(time) ? gci_clock_ns() + ns_of(time) : NO_DEADLINE;
}

static struct timespec time_of(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / NS_PER_SECOND), (long)(ns % NS_PER_SECOND)};
}

/* What is left of *time until the deadline, in *left; or the time itself where there is no deadline. */
static const struct timespec *time_until(uint64_t deadline, const struct timespec *time, struct timespec *left)
{
    if (deadline == NO_DEADLINE)
        return time;
    uint64_t now = gci_clock_ns();
    *left = time_of(now >= deadline ? 0 : deadline - now);
    return left;
}

/* ---- Sleeping ----------------------------------------------------------------------------------------------------- */

/* What the kernel says is left of a sleep, it has computed before the handler ran: going on with that, a thread would
 * sleep longer by the time that it was stopped. The deadline counts that time in. */

DECLARE_NEXT(nanosleep)
DECLARE_NEXT(clock_nanosleep)

EXPORT int nanosleep(const struct timespec *time, struct timespec *left)
{
    uint64_t deadline = deadline_after(time);
    struct timespec rest;
    struct timespec again;
    const struct timespec *next = time;
    for (;;) {
        interpose_begin();
        int result = next_nanosleep()(next, &rest);
        if (result != 0 && interpose_must_repeat()) {
            next = time_until(deadline, &rest, &again);
            if (ns_of(next) == 0)
                return 0;
            continue;
        }
        if (result != 0 && errno == EINTR && left != NULL)
            *left = rest;
        return result;
    }
}

/* 0 where the clock cannot be read: sleeping by it fails, too. A relative sleep does not follow when CLOCK_REALTIME is
 * set. */
static uint64_t time_on(clockid_t clock)
{
    struct timespec now = {0, 0};
    int saved = errno;
    (void)clock_gettime(clock == CLOCK_REALTIME ? CLOCK_MONOTONIC : clock, &now);
    errno = saved;
    return ns_of(&now);
}

static int sleep_until(clockid_t clock, int flags, const struct timespec *time)
{
    int error;
    do {
        interpose_begin();
        error = next_clock_nanosleep()(clock, flags, time, NULL);
    } while (error == EINTR && gci_stop_take_cut_short());
    return error;
}

EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
    if ((flags & TIMER_ABSTIME) != 0)
        return sleep_until(clock, flags, time);
    uint64_t deadline = is_limited(time) ? time_on(clock) + ns_of(time) : NO_DEADLINE;
    struct timespec rest;
    const struct timespec *next = time;
    for (;;) {
        interpose_begin();
        int error = next_clock_nanosleep()(clock, flags, next, &rest);
        if (error == EINTR && gci_stop_take_cut_short()) {
            uint64_t now = deadline == NO_DEADLINE ? 0 : time_on(clock);
            if (now >= deadline)
                return 0;
            rest = deadline == NO_DEADLINE ? rest : time_of(deadline - now);
            next = &rest;
            continue;
        }
        if (error == EINTR && left != NULL)
            *left = rest;
        return error;
    }
}

bool gci_interpose_hides_signal(void)
{
    return next_nanosleep() != NULL;
}

EXPORT int usleep(useconds_t microseconds)
{
    struct timespec time = {(time_t)(microseconds / 1000000), (long)(microseconds % 1000000) * NS_PER_US};
    return nanosleep(&time, NULL);
}

/* Returns the whole seconds that were not slept. */
EXPORT unsigned sleep(unsigned seconds)
{
    int saved = errno;
    struct timespec time = {(time_t)seconds, 0};
    if (nanosleep(&time, &time) != 0)
        return (unsigned)time.tv_sec;
    errno = saved;
    return 0;
}

/* C11 7.26.5.7: -1 when a signal came, other negative values for other failures. */
EXPORT int thrd_sleep(const struct timespec *time, struct timespec *left)
{
    int error = clock_nanosleep(CLOCK_REALTIME, 0, time, left);
    return error == 0 ? 0 : error == EINTR ? -1 : -2;
}

DECLARE_NEXT(pause)

EXPORT int pause(void)
{
    int result;
    do {
        interpose_begin();
        result = next_pause()();
    } while (interpose_must_repeat());
    return result;
}

/* ---- Waiting for descriptors -------------------------------------------------------------------------------------- */

DECLARE_NEXT(poll)
DECLARE_NEXT(ppoll)
DECLARE_NEXT(select)
DECLARE_NEXT(pselect)
DECLARE_NEXT(epoll_wait)
DECLARE_NEXT(epoll_pwait)

/* Not in the headers of every glibc: 2.35. Those of the other three need _FORTIFY_SOURCE. */
int epoll_pwait2(int epoll, struct epoll_event *events, int limit, const struct timespec *time, const sigset_t *mask);
DECLARE_NEXT(epoll_pwait2)
// NOLINTBEGIN(bugprone-reserved-identifier)
int __poll_chk(struct pollfd *descriptors, nfds_t count, int milliseconds, size_t room);
int __ppoll_chk(struct pollfd *descriptors, nfds_t count, const struct timespec *time, const sigset_t *mask,
                size_t room);
extern void __chk_fail(void) NORETURN;
// NOLINTEND(bugprone-reserved-identifier)

EXPORT int poll(struct pollfd *descriptors, nfds_t count, int milliseconds)
{
    uint64_t deadline = deadline_after_ms(milliseconds);
    for (;;) {
        interpose_begin();
        int result = next_poll()(descriptors, count, milliseconds);
        if (result >= 0 || !interpose_must_repeat())
            return result;
        milliseconds = ms_until(deadline, milliseconds);
    }
}

EXPORT int ppoll(struct pollfd *descriptors, nfds_t count, const struct timespec *time, const sigset_t *mask)
{
    uint64_t deadline = deadline_after(time);
    struct timespec left;
    sigset_t stripped;
    mask = mask_without_stop_signal(mask, &stripped);
    for (;;) {
        interpose_begin();
        int result = next_ppoll()(descriptors, count, time, mask);
        if (result >= 0 || !interpose_must_repeat())
            return result;
        time = time_until(deadline, time, &left);
    }
}

EXPORT int __poll_chk(struct pollfd *descriptors, nfds_t count, int milliseconds, size_t room)
{
    if (room / sizeof *descriptors < count)
        __chk_fail();
    return poll(descriptors, count, milliseconds);
}

EXPORT int __ppoll_chk(struct pollfd *descriptors, nfds_t count, const struct timespec *time, const sigset_t *mask,
                       size_t room)
{
    if (room / sizeof *descriptors < count)
        __chk_fail();
    return ppoll(descriptors, count, time, mask);
}

/* Linux writes the time that is left to *time, and leaves the sets alone when it fails. */
EXPORT int select(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, struct timeval *time)
{
    struct timespec whole = {time == NULL ? -1 : time->tv_sec, time == NULL ? 0 : (long)time->tv_usec * NS_PER_US};
    uint64_t deadline = deadline_after(&whole);
    struct timespec left;
    for (;;) {
        interpose_begin();
        int result = next_select()(count, readable, writable, exceptional, time);
        if (result >= 0 || !interpose_must_repeat())
            return result;
        if (deadline != NO_DEADLINE) {
            time_until(deadline, NULL, &left);
            *time = (struct timeval){left.tv_sec, left.tv_nsec / NS_PER_US};
        }
    }
}

EXPORT int pselect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, const struct timespec *time,
                   const sigset_t *mask)
{
    uint64_t deadline = deadline_after(time);
    struct timespec left;
    sigset_t stripped;
    mask = mask_without_stop_signal(mask, &stripped);
    for (;;) {
        interpose_begin();
        int result = next_pselect()(count, readable, writable, exceptional, time, mask);
        if (result >= 0 || !interpose_must_repeat())
            return result;
        time = time_until(deadline, time, &left);
    }
}

EXPORT int epoll_wait(int epoll, struct epoll_event *events, int limit, int milliseconds)
{
    uint64_t deadline = deadline_after_ms(milliseconds);
    for (;;) {
        interpose_begin();
        int result = next_epoll_wait()(epoll, events, limit, milliseconds);
        if (result >= 0 || !interpose_must_repeat())
            return result;
        milliseconds = ms_until(deadline, milliseconds);
    }
}

EXPORT int epoll_pwait(int epoll, struct epoll_event *events, int limit, int milliseconds, const sigset_t *mask)
{
    uint64_t deadline = deadline_after_ms(milliseconds);
    sigset_t stripped;
    mask = mask_without_stop_signal(mask, &stripped);
    for (;;) {
        interpose_begin();
        int result = next_epoll_pwait()(epoll, events, limit, milliseconds, mask);
        if (result >= 0 || !interpose_must_repeat())
            return result;
        milliseconds = ms_until(deadline, milliseconds);
    }
}

EXPORT int epoll_pwait2(int epoll, struct epoll_event *events, int limit, const struct timespec *time,
                        const sigset_t *mask)
{
    uint64_t deadline = deadline_after(time);
    struct timespec left;
    sigset_t stripped;
    mask = mask_without_stop_signal(mask, &stripped);
    if (next_epoll_pwait2() == NULL) {
        errno = ENOSYS;
        return -1;
    }
    for (;;) {
        interpose_begin();
        int result = next_epoll_pwait2()(epoll, events, limit, time, mask);
        if (result >= 0 || !interpose_must_repeat())
            return result;
        time = time_until(deadline, time, &left);
    }
}

/* ---- Semaphores and message queues -------------------------------------------------------------------------------- */

DECLARE_NEXT(sem_wait)
DECLARE_NEXT(sem_timedwait)
DECLARE_NEXT(sem_clockwait)
DECLARE_NEXT(semop)
DECLARE_NEXT(semtimedop)
DECLARE_NEXT(msgrcv)
DECLARE_NEXT(msgsnd)

EXPORT int sem_wait(sem_t *semaphore)
{
    int result;
    do {
        interpose_begin();
        result = next_sem_wait()(semaphore);
    } while (result != 0 && interpose_must_repeat());
    return result;
}

EXPORT int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline)
{
    int result;
    do {
        interpose_begin();
        result = next_sem_timedwait()(semaphore, deadline);
    } while (result != 0 && interpose_must_repeat());
    return result;
}

EXPORT int sem_clockwait(sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict deadline)
{
    int result;
    do {
        interpose_begin();
        result = next_sem_clockwait()(semaphore, clock, deadline);
    } while (result != 0 && interpose_must_repeat());
    return result;
}

EXPORT int semop(int set, struct sembuf *operations, size_t count)
{
    int result;
    do {
        interpose_begin();
        result = next_semop()(set, operations, count);
    } while (result != 0 && interpose_must_repeat());
    return result;
}

EXPORT int semtimedop(int set, struct sembuf *operations, size_t count, const struct timespec *time)
{
    uint64_t deadline = deadline_after(time);
    struct timespec left;
    for (;;) {
        interpose_begin();
        int result = next_semtimedop()(set, operations, count, time);
        if (result == 0 || !interpose_must_repeat())
            return result;
        time = time_until(deadline, time, &left);
    }
}

EXPORT ssize_t msgrcv(int queue, void *message, size_t bytes, long type, int flags)
{
    ssize_t result;
    do {
        interpose_begin();
        result = next_msgrcv()(queue, message, bytes, type, flags);
    } while (result < 0 && interpose_must_repeat());
    return result;
}

EXPORT int msgsnd(int queue, const void *message, size_t bytes, int flags)
{
    int result;
    do {
        interpose_begin();
        result = next_msgsnd()(queue, message, bytes, flags);
    } while (result != 0 && interpose_must_repeat());
    return result;
}

/* ---- Waiting for signals ------------------------------------------------------------------------------------------ */

DECLARE_NEXT(sigtimedwait)
DECLARE_NEXT(sigwait)
DECLARE_NEXT(sigsuspend)

EXPORT int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info, const struct timespec *restrict time)
{
    uint64_t deadline = deadline_after(time);
    struct timespec left;
    sigset_t stripped;
    const struct timespec *next = time;
    set = mask_without_stop_signal(set, &stripped);
    for (;;) {
        interpose_begin();
        int result = next_sigtimedwait()(set, info, next);
        if (result >= 0 || !interpose_must_repeat())
            return result;
        next = time_until(deadline, time, &left);
    }
}

EXPORT int sigwaitinfo(const sigset_t *restrict set, siginfo_t *restrict info)
{
    return sigtimedwait(set, info, NULL);
}

/* glibc's own loop goes on after EINTR. */
EXPORT int sigwait(const sigset_t *restrict set, int *restrict signal)
{
    sigset_t stripped;
    return next_sigwait()(mask_without_stop_signal(set, &stripped), signal);
}

EXPORT int sigsuspend(const sigset_t *mask)
{
    sigset_t stripped;
    int result;
    mask = mask_without_stop_signal(mask, &stripped);
    do {
        interpose_begin();
        result = next_sigsuspend()(mask);
    } while (interpose_must_repeat());
    return result;
}

/* What sigpause is in programs that ask for the X/Open one. */
int __xpg_sigpause(int signal); // NOLINT(bugprone-reserved-identifier)

EXPORT int __xpg_sigpause(int signal) // NOLINT(bugprone-reserved-identifier)
{
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    return sigdelset(&mask, signal) == 0 ? sigsuspend(&mask) : -1;
}
