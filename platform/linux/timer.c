/* SPDX-License-Identifier: MIT */
/* platform/timer.h for Linux. The system is called directly: the C library's functions allocate, and ours of the same names
 * remember what the program's own timers hold.
 */
#include "platform/timer.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SECOND 1000000000u

static int timer; /* the kernel's id */
static bool has_timer;
static int signal_of_timer;

static int create(int signal, uintptr_t marker)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal};
    event.sigev_value.sival_ptr = (void *)marker; // NOLINT(performance-no-int-to-ptr)
    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) != 0)
        return errno;
    has_timer = true;
    signal_of_timer = signal;
    return 0;
}

int gci_timer_start(int signal, uintptr_t marker, uint64_t nanoseconds)
{
    int saved = errno;
    struct itimerspec when = {.it_value = {(time_t)(nanoseconds / NS_PER_SECOND), (long)(nanoseconds % NS_PER_SECOND)}};
    if (has_timer && signal_of_timer != signal)
        gci_timer_end();
    int error = has_timer ? 0 : create(signal, marker);
    if (error == 0 && syscall(SYS_timer_settime, timer, 0, &when, NULL) != 0)
        error = errno;
    errno = saved;
    return error;
}

void gci_timer_end(void)
{
    int saved = errno;
    if (has_timer)
        syscall(SYS_timer_delete, timer);
    has_timer = false;
    errno = saved;
}

void gci_timer_forget(void)
{
    has_timer = false;
}
