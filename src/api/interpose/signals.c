/* SPDX-License-Identifier: MIT */
/* Calls that block signals: the one that stops threads stays open. And sigaltstack, whose stacks our handlers run on. */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "alloc/alloc.h"
#include "api/init.h"
#include "api/interpose/mask.h"
#include "api/interpose/real.h"
#include "platform/env.h"
#include "platform/thread.h"
#include "world/idle.h"

/* Bytes of a set of signals as the kernel has it. */
#define KERNEL_SET_BYTES ((size_t)_NSIG / 8)

DECLARE_NEXT(pthread_sigmask)
DECLARE_NEXT(sigprocmask)
DECLARE_NEXT(sigaction)
DECLARE_NEXT(signalfd)

/* Names of the C library's own, which a statically linked program has too. */
extern int __sigaction(int, const struct sigaction *, struct sigaction *); // NOLINT(bugprone-reserved-identifier)

/* What both functions for masks come to. Returns an errno value. */
static int change_mask(int how, const sigset_t *set, sigset_t *old)
{
    return syscall(SYS_rt_sigprocmask, how, set, old, KERNEL_SET_BYTES) == 0 ? 0 : errno;
}

static const sigset_t *allowed_change(int how, const sigset_t *set, sigset_t *storage)
{
    return how == SIG_UNBLOCK ? set : mask_without_stop_signal(set, storage);
}

EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    sigset_t stripped;
    if (UNLIKELY(next_pthread_sigmask() == NULL)) {
        int saved = errno;
        int failure = change_mask(how, allowed_change(how, set, &stripped), old);
        errno = saved;
        return failure;
    }
    return next_pthread_sigmask()(how, allowed_change(how, set, &stripped), old);
}

EXPORT int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
    sigset_t stripped;
    if (UNLIKELY(next_sigprocmask() == NULL))
        return change_mask(how, allowed_change(how, set, &stripped), old) == 0 ? 0 : -1;
    return next_sigprocmask()(how, allowed_change(how, set, &stripped), old);
}

/* A program that takes our signal for itself gets it: the next collection chooses another (platform/stop.h). What our timer
 * sends must not reach the program's handler, nor end a program that wants the signal's default: called before the signal
 * changes hands, and after it for what another thread has set meanwhile, which is not due so soon. */
static void leave_to_program(int signal)
{
    if (signal != 0 && signal == gci_stop_order_signal())
        gci_env_report_string("GCALLOC_PROFILE_SIGNAL: the program takes this signal for itself");
    if (signal == 0 || signal != gci_stop_signal())
        return;
    gci_env_hide_beacon();
    gci_idle_end_timer();
}

EXPORT int sigaction(int signal, const struct sigaction *restrict action, struct sigaction *restrict old)
{
    struct sigaction open;
    int own = gci_stop_signal();
    if (action != NULL)
        leave_to_program(signal);
    if (action != NULL && own != 0 && own != signal && sigismember(&action->sa_mask, own) == 1) {
        open = *action;
        sigdelset(&open.sa_mask, own);
        action = &open;
    }
    int result =
        LIKELY(next_sigaction() != NULL) ? next_sigaction()(signal, action, old) : __sigaction(signal, action, old);
    if (action != NULL)
        leave_to_program(signal);
    return result;
}

EXPORT int signalfd(int descriptor, const sigset_t *set, int flags)
{
    sigset_t stripped;
    set = mask_without_stop_signal(set, &stripped);
    if (UNLIKELY(next_signalfd() == NULL))
        return (int)syscall(SYS_signalfd4, descriptor, set, KERNEL_SET_BYTES, flags);
    return next_signalfd()(descriptor, set, flags);
}

/* ---- The older functions for a handler ---------------------------------------------------------------------------- */

typedef void (*handler_fn)(int);

static handler_fn set_handler(int signal, handler_fn handler, int flags)
{
    struct sigaction action = {.sa_flags = flags};
    struct sigaction old;
    action.sa_handler = handler;
    if ((flags & SA_NODEFER) == 0)
        sigaddset(&action.sa_mask, signal);
    return __sigaction(signal, &action, &old) == 0 ? old.sa_handler : SIG_ERR;
}

static handler_fn set_as_bsd(int signal, handler_fn handler)
{
    return set_handler(signal, handler, SA_RESTART);
}

static handler_fn set_as_system_v(int signal, handler_fn handler)
{
    return set_handler(signal, handler, (int)SA_RESETHAND | SA_NODEFER);
}

/* What a program compiled for System V, or for POSIX without extensions, calls by the name signal. */
handler_fn __sysv_signal(int signal, handler_fn handler); // NOLINT(bugprone-reserved-identifier)

DECLARE_NEXT(signal)
DECLARE_NEXT(__sysv_signal)

/* Before, there is one thread. */
static bool has_begun;

/* The C library's remember what siginterrupt was told. Looked up at start, as handlers call them. */
static handler_fn (*call_signal)(int, handler_fn) = set_as_bsd;
static handler_fn (*call_sysv_signal)(int, handler_fn) = set_as_system_v;

__attribute__((constructor(102))) static void look_up(void)
{
    if (next_signal() != NULL)
        call_signal = next_signal();
    if (next___sysv_signal() != NULL)
        call_sysv_signal = next___sysv_signal();
    has_begun = true;
}

EXPORT handler_fn signal(int signal, handler_fn handler)
{
    leave_to_program(signal);
    handler_fn old = call_signal(signal, handler);
    leave_to_program(signal);
    return old;
}

EXPORT handler_fn __sysv_signal(int signal, handler_fn handler) // NOLINT(bugprone-reserved-identifier)
{
    leave_to_program(signal);
    handler_fn old = call_sysv_signal(signal, handler);
    leave_to_program(signal);
    return old;
}

/* ---- Alternate stacks ---------------------------------------------------------------------------------------------
 * A program may give one alternate stack to all of its threads, when a handler that ends the process is all that runs
 * there: varnishd does. Ours runs on all of them at once. So whoever comes with a stack that another living thread has
 * gets a block of the same size instead, which it keeps until it ends: a handler that returns gives its thread the stack back
 * that was there when it began.
 *
 * Threads note their stacks in slots that they claim by their id; a thread that has ended, or that is the parent's where
 * this process was forked, has lost its slot. Who notes first and looks then is seen by another that does the same.
 * Where all slots are taken nothing is noticed. */
#define ALTERNATES_MAX 1024u

static struct alternate {
    uint32_t thread;
    uintptr_t hidden; /* the stack's lowest address, complemented: this must not keep it; 0 for none */
} alternates[ALTERNATES_MAX];
static __thread struct alternate *own_alternate TLS_INITIAL_EXEC;
static __thread void *replacement TLS_INITIAL_EXEC;

static bool claim(struct alternate *slot, uint32_t self)
{
    uint32_t holder = __atomic_load_n(&slot->thread, __ATOMIC_RELAXED);
    if (holder == self)
        return true;
    if ((holder != 0 && gci_thread_is_alive(holder)) ||
        !__atomic_compare_exchange_n(&slot->thread, &holder, self, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
        return false;
    __atomic_store_n(&slot->hidden, 0, __ATOMIC_SEQ_CST);
    return true;
}

/* Another's slot is its own again in a child of fork, whose ids are new. */
static struct alternate *find_own(uint32_t self)
{
    if (own_alternate != NULL && __atomic_load_n(&own_alternate->thread, __ATOMIC_RELAXED) == self)
        return own_alternate;
    for (size_t i = 0; i < ALTERNATES_MAX; i++)
        if (claim(&alternates[(self + i) % ALTERNATES_MAX], self))
            return own_alternate = &alternates[(self + i) % ALTERNATES_MAX];
    return NULL;
}

static bool is_shared(uintptr_t hidden, uint32_t self)
{
    for (size_t i = 0; i < ALTERNATES_MAX; i++) {
        uint32_t thread = __atomic_load_n(&alternates[i].thread, __ATOMIC_SEQ_CST);
        if (thread != 0 && thread != self && __atomic_load_n(&alternates[i].hidden, __ATOMIC_SEQ_CST) == hidden &&
            gci_thread_is_alive(thread))
            return true;
    }
    return false;
}

static void *replacement_of(size_t bytes)
{
    if (replacement == NULL || gci_usable_bytes(replacement, "sigaltstack") < bytes) {
        int saved = errno;
        replacement = gci_alloc_zeroed(bytes, KIND_SCANNED);
        errno = saved;
        gci_thread_ask_exit_call(); /* a thread that has taken no small block has not asked yet */
    }
    return replacement;
}

/* A stack that the kernel refuses is not the thread's, so nobody else has to do without it. */
static NOINLINE int set_alternate(const stack_t *restrict wanted, stack_t *restrict old)
{
    stack_t replaced;
    uint32_t self = gci_thread_id();
    struct alternate *own = wanted == NULL ? NULL : find_own(self);
    uintptr_t before = own == NULL ? 0 : own->hidden;
    if (own != NULL) {
        uintptr_t hidden = (wanted->ss_flags & SS_DISABLE) != 0 ? 0 : ~(uintptr_t)wanted->ss_sp;
        __atomic_store_n(&own->hidden, hidden, __ATOMIC_SEQ_CST);
        void *copy = hidden != 0 && is_shared(hidden, self) ? replacement_of(wanted->ss_size) : NULL;
        if (copy != NULL) {
            replaced = *wanted;
            replaced.ss_sp = copy;
            wanted = &replaced;
        }
    }
    int result = (int)syscall(SYS_sigaltstack, wanted, old);
    if (result != 0 && own != NULL)
        __atomic_store_n(&own->hidden, before, __ATOMIC_SEQ_CST);
    return result;
}

COMES_BEFORE_SANITIZER EXPORT int sigaltstack(const stack_t *restrict wanted, stack_t *restrict old)
{
    return LIKELY(has_begun) ? set_alternate(wanted, old) : (int)syscall(SYS_sigaltstack, wanted, old);
}

/* A thread that ends in a handler on that stack keeps it. */
void gci_signals_thread_ends(void)
{
    int saved = errno;
    stack_t now;
    const stack_t none = {.ss_flags = SS_DISABLE};
    if (replacement != NULL && syscall(SYS_sigaltstack, NULL, &now) == 0 &&
        (now.ss_sp != replacement || syscall(SYS_sigaltstack, &none, NULL) == 0)) {
        free_fast(replacement, "sigaltstack");
        replacement = NULL;
    }
    errno = saved;
}
