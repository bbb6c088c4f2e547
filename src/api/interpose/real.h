/* SPDX-License-Identifier: MIT */
/* The C library's own version of a function that we stand in front of.
 *
 * Looked up at the first call, never earlier: dlsym allocates. Where there is no dynamic linking to look in there is none: a
 * program that is linked statically must not call what has no other way (DECLARE_NEXT_OR_SYSTEM).
 */
#ifndef GCI_API_INTERPOSE_REAL_H
#define GCI_API_INTERPOSE_REAL_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "platform/stop.h"

/* Declares next_NAME(), which returns the function after ours, or NULL. The static pointer is written with one value only, so a
 * race is harmless. */
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

/* As DECLARE_NEXT for what no program can do without, also one that is linked statically: there the system is called
 * directly. Looked up at start: handlers of the program and children of fork may call it, and dlsym there could wait for
 * ever for the loader's lock. By the time of this constructor ours in init.c has run. */
#define DECLARE_NEXT_OR_SYSTEM(type, name, parameters, ...)                                                            \
    DECLARE_NEXT(name)                                                                                                 \
    static type system_##name parameters                                                                               \
    {                                                                                                                  \
        return (type)syscall(__VA_ARGS__);                                                                             \
    }                                                                                                                  \
    static __typeof__(&name) call_##name = system_##name;                                                              \
    __attribute__((constructor(102))) static void look_up_##name(void)                                                 \
    {                                                                                                                  \
        if (next_##name() != NULL)                                                                                     \
            call_##name = next_##name();                                                                               \
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

/* Whether the wrappers find the C library's own calls, so that a sleep that our signal interrupts goes on. */
bool gci_interpose_hides_signal(void);

/* When a call on a socket begins, for its timeout. NOT_STARTED saves the time: then the first stop is the beginning. */
int64_t gci_interpose_start(void);
#define NOT_STARTED INT64_MIN

/* Before such a call is repeated: waits for what is left of the timeout `option` (SO_RCVTIMEO, SO_SNDTIMEO). Whether it has
 * passed; then errno is what the call fails with. */
bool gci_interpose_times_out(int descriptor, int option, int64_t *start);

#endif
