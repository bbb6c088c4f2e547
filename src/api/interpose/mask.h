/* SPDX-License-Identifier: MIT */
/* Signal sets of the program, less the signal that stops threads: a thread that blocks it could not be stopped, and one
 * that waits for it would swallow it. */
#ifndef GCI_API_INTERPOSE_MASK_H
#define GCI_API_INTERPOSE_MASK_H

#include <signal.h>
#include <stddef.h>

#include "platform/stop.h"

/* `set`, or a copy without the signal in *storage. NULL stays NULL. */
static inline const sigset_t *mask_without_stop_signal(const sigset_t *set, sigset_t *storage)
{
    int signal = gci_stop_signal();
    if (set == NULL || signal == 0 || sigismember(set, signal) != 1)
        return set;
    *storage = *set;
    sigdelset(storage, signal);
    return storage;
}

#endif
