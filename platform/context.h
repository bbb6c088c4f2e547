/* SPDX-License-Identifier: MIT */
/* Contract: registers, per processor. Implemented by platform/arch/<processor>/. */
#ifndef GCI_PLATFORM_CONTEXT_H
#define GCI_PLATFORM_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Saves every register that a function must preserve on the stack, then calls function(sp, argument), where the saved
 * registers lie at and above sp. */
void gci_context_call(void (*function)(uintptr_t sp, void *argument), void *argument);
#define CONTEXT_SAVED_BYTES 56u

/* Calls function(argument) on another stack, which ends at `top`, a multiple of 16. */
void gci_context_call_on(void *top, void (*function)(void *argument), void *argument);

/* Of the context that a signal handler gets: the stack pointer less the area below it that the code may use. */
uintptr_t gci_context_stack_pointer(const void *context);

/* The instruction that was interrupted. */
uintptr_t gci_context_instruction(const void *context);

/* Whether the context is about to return from a system call that failed with EINTR. */
bool gci_context_call_was_interrupted(const void *context);

/* Whether it is about to return from one that has done something. A call that the kernel starts again is at its
 * instruction, not after it: what ends it later has nothing to do with the signal. */
bool gci_context_call_has_returned(const void *context);

/* ---- Callers ------------------------------------------------------------------------------------------------------ */

/* Once, before the program has other threads. gci_context_callers answers without it, too, but more slowly. */
void gci_context_callers_init(void);

/* Where the calling function returns to, and its caller, and so on, innermost first; returns how many, at most `limit`. The
 * byte before each address belongs to the instruction that runs in that frame, also where a signal handler has come on top.
 * The list ends early where no table tells how to go on. Async-signal-safe, on any stack; errno is kept. */
size_t gci_context_callers(uintptr_t *addresses, size_t limit);

/* What a walk has read: words of the stack, by their distance from where it began. As long as all of them hold what they held, a
 * walk that begins there gives the same addresses. */
#define TRAIL_WORDS_MAX 88u
struct trail {
    uintptr_t start;  /* 0: none yet */
    uintptr_t closed; /* how often libraries had been closed */
    uint32_t count;   /* a multiple of TRAIL_STEP: the first may be there more than once */
    uint32_t reach;   /* bytes from the start on that were looked at */
    void *result;     /* the caller's; NULL in one that is new */
    struct trail_word {
        uintptr_t word;
        uintptr_t distance; /* in bytes */
    } words[TRAIL_WORDS_MAX];
};
#define TRAIL_STEP 4u

/* Of one thread. Zeroed, it is empty. */
#define TRAILS_LOG2 7
#define TRAILS (1u << TRAILS_LOG2)
#define TRAIL_HINTS 64u
struct trails {
    uint64_t owner; /* the caller's */
    uint32_t hints[TRAIL_HINTS];
    struct trail trails[TRAILS];
};

/* As gci_context_callers, but walks only where the stack has changed. A trail whose result is not NULL: this walk was made
 * before, and there are no addresses. One whose result is NULL: the addresses are there, and the caller sets the result for the
 * next time. NULL: they are there, and the walk cannot be told from others. The limit is always the same. Not in a signal
 * handler while the trails are in use. */
struct trail *gci_context_callers_trail(struct trails *trails, uintptr_t *addresses, size_t limit, size_t *count);

/* To be called when libraries have been closed: others may lie at their addresses from now on. */
void gci_context_forget_closed(void);

/* Whether the address is in the code of this library; false before gci_context_callers_init. */
bool gci_context_is_own_code(uintptr_t address);

#endif
