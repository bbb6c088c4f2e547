/* SPDX-License-Identifier: MIT */
/* Contract: registers, per processor. Implemented by platform/arch/<processor>/. */
#ifndef GCI_PLATFORM_CONTEXT_H
#define GCI_PLATFORM_CONTEXT_H

#include <stdbool.h>
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

#endif
