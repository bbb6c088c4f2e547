/* SPDX-License-Identifier: MIT */
/* The C library's own version of a function that we stand in front of.
 *
 * Looked up at the first call, never earlier: dlsym allocates. Where there is no dynamic linking to look in, the wrapper
 * fails as a system without the function does.
 */
#ifndef GCI_API_INTERPOSE_REAL_H
#define GCI_API_INTERPOSE_REAL_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

#include "base/attributes.h"
#include "platform/stop.h"

/* Declares next_NAME(), which returns the function after ours, or NULL with ENOSYS. The static pointer is written with
 * one value only, so a race is harmless. */
#define DECLARE_NEXT(name)                                                                                             \
    static __typeof__(&name) next_##name(void)                                                                         \
    {                                                                                                                  \
        static __typeof__(&name) next;                                                                                 \
        __typeof__(&name) found = __atomic_load_n(&next, __ATOMIC_RELAXED);                                            \
        if (UNLIKELY(found == NULL)) {                                                                                 \
            void *symbol = dlsym(RTLD_NEXT, #name);                                                                    \
            __builtin_memcpy(&found, &symbol, sizeof found);                                                           \
            __atomic_store_n(&next, found, __ATOMIC_RELAXED);                                                          \
        }                                                                                                              \
        return found;                                                                                                  \
    }

/* errno before the call in hand: a call that is repeated unseen must not leave its EINTR behind. */
static __thread int interpose_saved_errno TLS_INITIAL_EXEC __attribute__((unused));

static inline void interpose_begin(void)
{
    interpose_saved_errno = errno;
    gci_stop_take_cut_short();
}

/* After a call that failed with EINTR: whether only our stop signal did that, so that the program must not see it. Call
 * interpose_begin before the call. */
static inline bool interpose_must_repeat(void)
{
    if (errno != EINTR || !gci_stop_take_cut_short())
        return false;
    errno = interpose_saved_errno;
    return true;
}

#endif
