/* SPDX-License-Identifier: MIT */
/* Contract: registers, per processor. Implemented by platform/arch/<processor>/. */
#ifndef GCI_PLATFORM_CONTEXT_H
#define GCI_PLATFORM_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "context_arch.h"

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

/* ---- Standing in front of a function ------------------------------------------------------------------------------
 *
 * CONTEXT_FORWARD(choose, result, name, first_type, second_type) defines the function `name` of two whole numbers or pointers,
 * that ends in a jump, however it is compiled: who goes by the return address sees its caller. It jumps to what this returns,
 *
 *     void *choose(uintptr_t arguments[2])
 *
 * an external function of this library, with the arguments as that has left them; where that is NULL, it returns NULL. */

/* CONTEXT_DIVERT(result, name, value, instead, otherwise) defines the function `name` of a whole number and whatever else,
 * without a frame: it goes on at the function `instead` where the number is `value`, at `otherwise` where not, with all
 * arguments as they are. */

/* As the C library's `syscall`, by no other function of any library, and with nothing on the stack: also where the system
 * returns on another one. */
long gci_context_call_system(long number, ...);

/* ---- Callers ------------------------------------------------------------------------------------------------------ */

/* Once, before the program has other threads. gci_context_callers answers without it, too, but more slowly. */
void gci_context_callers_init(void);

/* Where the calling function returns to, and its caller, and so on, innermost first; returns how many, at most `limit`. The
 * byte before each address belongs to the instruction that runs in that frame, also where a signal handler has come on top.
 * The list ends early where no table tells how to go on. Async-signal-safe, on any stack; errno is kept. */
size_t gci_context_callers(uintptr_t *addresses, size_t limit);

/* What one thread's walks have found, for one that calls this function again and again: a stack that was walked before is known
 * by the words that the walk has read, and for each a result of the caller's is kept, for a time; of others only what has changed
 * since the last walk is walked. Zeroed memory of so many bytes is an empty one. */
struct trail;
size_t gci_context_trail_bytes(void);

/* The result for the callers of the calling function, or NULL. Each `owner`, which is not 0, has its own results. Frames of our
 * own code on top, CONTEXT_OWN_FRAMES_MAX at most, do not count. Not in a signal handler while the trail is in use. */
void *gci_context_trail_result(struct trail *trail, uint64_t owner);
#define CONTEXT_OWN_FRAMES_MAX 16u

/* After a result that was NULL: where it is to be kept; NULL where the walk cannot be told from others. */
void **gci_context_trail_place(const struct trail *trail);

/* And the callers that it is of, as gci_context_callers has them, without those of our own code;
 * `limit` is TRAIL_ADDRESSES at most: two walks that agree in so many may have one result. */
size_t gci_context_trail_addresses(const struct trail *trail, uintptr_t *addresses, size_t limit);
#define TRAIL_ADDRESSES 64u

/* To be called when libraries have been closed: others may lie at their addresses from now on. */
void gci_context_forget_closed(void);

/* Whether the address is in the code of this library; false before gci_context_callers_init. */
bool gci_context_is_own_code(uintptr_t address);

#endif
