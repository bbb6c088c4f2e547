/* SPDX-License-Identifier: MIT */
/* platform/stop.h on signals: one real-time signal, sent by tgkill or by a timer of ours.
 *
 * SA_ONSTACK, because code with small stacks of its own (Go, coroutines) gives its threads an alternate stack and
 * expects handlers there. SA_RESTART, because most system calls are then resumed by the kernel.
 */
#include "platform/stop.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/bits.h"
#include "base/request_format.h"
#include "platform/context.h"
#include "platform/env.h"
#include "platform/thread.h"

/* The C library's own name for sigaction: ours replaces the public one. */
extern int __sigaction(int, const struct sigaction *, struct sigaction *); // NOLINT(bugprone-reserved-identifier)

#define KERNEL_SIGSET_BYTES 8
#define NS_PER_SECOND 1000000000u
#define CALL_STACK_BYTES 1024   /* more than the C library needs for a system call, less than a signal's frame */
#define RESERVED_TOP_SIGNALS 14 /* programs count down from SIGRTMAX or up from SIGRTMIN: ours is in the middle */

static interruption_fn on_interruption;
static int signal_in_use;
static int order_signal; /* 0: none */
static __thread bool cut_short TLS_INITIAL_EXEC;
__thread uintptr_t gci_stop_watched_frame TLS_INITIAL_EXEC;

static uint64_t signal_bit(int signal)
{
    return UINT64_C(1) << (signal - 1);
}

/* Whether the signal does anything when it is delivered; what is ignored leaves the interrupted call alone. */
static bool has_effect(int signal)
{
    struct sigaction action;
    if (__sigaction(signal, NULL, &action) != 0 || (action.sa_flags & SA_SIGINFO))
        return true;
    bool is_ignored_by_default =
        signal == SIGCHLD || signal == SIGCONT || signal == SIGURG || signal == SIGWINCH; /* signal(7) */
    return action.sa_handler != SIG_IGN && !(action.sa_handler == SIG_DFL && is_ignored_by_default);
}

/* Whether another signal waits that the interrupted code does not block: its handler runs when ours returns, and EINTR
 * is then what the program expects. */
static bool other_signal_is_due(const ucontext_t *user)
{
    uint64_t blocked;
    uint64_t pending = 0;
    __builtin_memcpy(&blocked, &user->uc_sigmask, sizeof blocked);
    syscall(SYS_rt_sigpending, &pending, KERNEL_SIGSET_BYTES);
    for (uint64_t due = pending & ~blocked & ~signal_bit(signal_in_use); due != 0; due &= due - 1)
        if (has_effect((int)lowest_bit(due) + 1))
            return true;
    return false;
}

/* A call that was cut short by a handler of the program is not ours to go on with: the stop must have come with no other
 * frame between the call and this handler. */
static void tell_watcher(const ucontext_t *user, uintptr_t stack_pointer)
{
    if (gci_stop_watched_frame - stack_pointer < CALL_STACK_BYTES && gci_context_call_has_returned(user) &&
        !other_signal_is_due(user))
        gci_stop_watched_frame |= GCI_STOP_CAME;
}

/* Its address is what the signals of our timer carry, and nobody else's. */
static char timer_value;

static bool is_of_timer(const siginfo_t *info)
{
    return info->si_code == SI_TIMER && info->si_value.sival_ptr == &timer_value;
}

/* The kernel lets nobody queue a signal who may not end the process anyway. */
static bool is_from_user(const siginfo_t *info)
{
    return info->si_code == SI_QUEUE && info->si_value.sival_int == REQUEST_VALUE;
}

static void handle_signal(int signal, siginfo_t *info, void *context)
{
    bool is_tick = is_of_timer(info);
    bool is_request = is_from_user(info);
    bool is_order = signal == order_signal;
    if (!is_tick && !is_request && !is_order &&
        (info->si_code != SI_TKILL || (uint32_t)info->si_pid != gci_process_id()))
        return;
    int saved = errno;
    const ucontext_t *user = context;
    struct interruption interruption = {.handler_sp = (uintptr_t)context,
                                        .stack_pointer = gci_context_stack_pointer(context),
                                        .code = gci_context_instruction(context),
                                        .is_tick = is_tick,
                                        .is_request = is_request,
                                        .is_order = is_order};
    if (!(user->uc_stack.ss_flags & SS_DISABLE) && user->uc_stack.ss_size != 0)
        interruption.alternate = range_of(user->uc_stack.ss_sp, user->uc_stack.ss_size);
    on_interruption(&interruption);
    if (gci_context_call_was_interrupted(context) && !other_signal_is_due(user))
        cut_short = true;
    tell_watcher(user, interruption.stack_pointer);
    errno = saved;
}

bool gci_stop_take_cut_short(void)
{
    bool was = cut_short;
    cut_short = false;
    return was;
}

static int set_handler(int signal)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    action.sa_sigaction = handle_signal;
    /* sigfillset leaves out the C library's own: cancelling a thread would unwind it out of the handler. */
    __builtin_memset(&action.sa_mask, 0xff, sizeof action.sa_mask);
    return __sigaction(signal, &action, NULL) == 0 ? 0 : errno;
}

static bool is_unused(int signal)
{
    struct sigaction action;
    return __sigaction(signal, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
           (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN);
}

static int choose_signal(void)
{
    for (int signal = SIGRTMAX - RESERVED_TOP_SIGNALS; signal >= SIGRTMIN; signal--)
        if (is_unused(signal))
            return signal;
    return 0;
}

int gci_stop_install(int signal, interruption_fn handler)
{
    if (signal == 0)
        signal = choose_signal();
    if (signal == 0)
        return EBUSY;
    on_interruption = handler;
    int error = set_handler(signal);
    if (error == 0)
        signal_in_use = signal;
    return error;
}

int gci_stop_signal(void)
{
    return signal_in_use;
}

static bool is_ours(int signal)
{
    struct sigaction action;
    return signal != 0 && __sigaction(signal, NULL, &action) == 0 && (action.sa_flags & SA_SIGINFO) &&
           action.sa_sigaction == handle_signal;
}

static bool is_in_force(void)
{
    return is_ours(signal_in_use);
}

int gci_stop_take_order(int signal)
{
    int error = set_handler(signal);
    if (error == 0)
        order_signal = signal;
    return error;
}

int gci_stop_order_signal(void)
{
    return is_ours(order_signal) ? order_signal : 0;
}

bool gci_stop_verify(void)
{
    if (is_in_force())
        return true;
    if (on_interruption == NULL || gci_stop_install(0, on_interruption) != 0)
        return false;
    gci_env_show_beacon(signal_in_use, NULL);
    return true;
}

int gci_stop_send(uint32_t thread_id)
{
    int saved = errno;
    int error = syscall(SYS_tgkill, gci_process_id(), thread_id, signal_in_use) == 0 ? 0 : errno;
    errno = saved;
    return error;
}

/* ---- The timer ---------------------------------------------------------------------------------------------------- */

/* The system is called directly: the C library's functions allocate, and ours of the same names remember what the program's
 * timers hold. */
static int timer;           /* the kernel's id */
static int signal_of_timer; /* 0: there is none */

static int create_timer(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal_in_use};
    event.sigev_value.sival_ptr = &timer_value;
    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) != 0)
        return errno;
    signal_of_timer = signal_in_use;
    return 0;
}

int gci_stop_tick_after(uint64_t nanoseconds)
{
    if (!is_in_force())
        return EBUSY;
    int saved = errno;
    struct itimerspec when = {.it_value = {(time_t)(nanoseconds / NS_PER_SECOND), (long)(nanoseconds % NS_PER_SECOND)}};
    if (signal_of_timer != signal_in_use)
        gci_stop_end_ticks();
    int error = signal_of_timer != 0 ? 0 : create_timer();
    if (error == 0 && syscall(SYS_timer_settime, timer, 0, &when, NULL) != 0)
        error = errno;
    errno = saved;
    return error;
}

void gci_stop_end_ticks(void)
{
    int saved = errno;
    if (signal_of_timer != 0)
        syscall(SYS_timer_delete, timer);
    signal_of_timer = 0;
    errno = saved;
}

void gci_stop_forget_ticks(void)
{
    signal_of_timer = 0;
}

/* ---- Masks -------------------------------------------------------------------------------------------------------- */

static uint64_t change_mask(int how, uint64_t set)
{
    int saved = errno;
    uint64_t old = 0;
    syscall(SYS_rt_sigprocmask, how, &set, &old, KERNEL_SIGSET_BYTES);
    errno = saved;
    return old;
}

uint64_t gci_stop_block_signals(void)
{
    return change_mask(SIG_BLOCK, signal_in_use == 0 ? ~UINT64_C(0) : ~signal_bit(signal_in_use));
}

void gci_stop_block_own(void)
{
    change_mask(SIG_BLOCK, ~UINT64_C(0));
}

void gci_stop_restore_signals(uint64_t blocked)
{
    change_mask(SIG_SETMASK, blocked);
}

void gci_stop_unblock(void)
{
    change_mask(SIG_UNBLOCK, signal_bit(signal_in_use));
}

struct range gci_stop_alternate_stack(void)
{
    int saved = errno;
    stack_t stack;
    struct range range = {0, 0};
    if (sigaltstack(NULL, &stack) == 0 && !(stack.ss_flags & SS_DISABLE))
        range = range_of(stack.ss_sp, stack.ss_size);
    errno = saved;
    return range;
}
