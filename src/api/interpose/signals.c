/* SPDX-License-Identifier: MIT */
/* Calls that block signals: the one that stops threads stays open. */
#include <signal.h>
#include <sys/signalfd.h>

#include "api/interpose/mask.h"
#include "api/interpose/real.h"
#include "world/idle.h"

DECLARE_NEXT(pthread_sigmask)
DECLARE_NEXT(sigprocmask)
DECLARE_NEXT(sigaction)
DECLARE_NEXT(signalfd)

static const sigset_t *allowed_change(int how, const sigset_t *set, sigset_t *storage)
{
    return how == SIG_UNBLOCK ? set : mask_without_stop_signal(set, storage);
}

EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    sigset_t stripped;
    return next_pthread_sigmask()(how, allowed_change(how, set, &stripped), old);
}

EXPORT int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
    sigset_t stripped;
    return next_sigprocmask()(how, allowed_change(how, set, &stripped), old);
}

/* A program that takes our signal for itself gets it: the next collection chooses another (platform/stop.h). */
EXPORT int sigaction(int signal, const struct sigaction *restrict action, struct sigaction *restrict old)
{
    struct sigaction open;
    int own = gci_stop_signal();
    if (action != NULL && own != 0 && own == signal)
        gci_idle_end_timer();
    if (action != NULL && own != 0 && own != signal && sigismember(&action->sa_mask, own) == 1) {
        open = *action;
        sigdelset(&open.sa_mask, own);
        action = &open;
    }
    return next_sigaction()(signal, action, old);
}

EXPORT int signalfd(int descriptor, const sigset_t *set, int flags)
{
    sigset_t stripped;
    return next_signalfd()(descriptor, mask_without_stop_signal(set, &stripped), flags);
}
