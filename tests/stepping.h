/* SPDX-License-Identifier: MIT */
/* One instruction after another: between begin_steps and end_steps each raises SIGTRAP after it in the calling thread, until its
 * handler ends that. x86-64. */
#ifndef TESTS_STEPPING_H
#define TESTS_STEPPING_H

#include <ucontext.h>

#define STEPPING_INLINE static inline __attribute__((always_inline, unused))

#define STEPPING_TRAP_FLAG 0x100

/* Below the red zone: the flags can only be changed on the stack. */
#define STEPPING_CHANGE_FLAGS(instruction)                                                                             \
    __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; " instruction "; popfq; lea 128(%%rsp), %%rsp"                   \
                     :                                                                                                 \
                     :                                                                                                 \
                     : "memory", "cc")

STEPPING_INLINE void begin_steps(void)
{
    STEPPING_CHANGE_FLAGS("orq $0x100, (%%rsp)");
}

STEPPING_INLINE void end_steps(void)
{
    STEPPING_CHANGE_FLAGS("andq $~0x100, (%%rsp)");
}

/* In the handler, with what is its third argument: that was the last one. */
STEPPING_INLINE void end_steps_of(void *context)
{
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~STEPPING_TRAP_FLAG;
}

#endif
