/* SPDX-License-Identifier: MIT */
#ifndef GCI_PLATFORM_ARCH_CONTEXT_H
#define GCI_PLATFORM_ARCH_CONTEXT_H

/* As filters of system calls name this processor. */
#define CONTEXT_AUDIT_ARCH AUDIT_ARCH_X86_64

/* Where the thread-local storage of the calling thread is, as the system calls for threads take it. */
static inline void *context_thread_pointer(void)
{
    void *pointer;
    __asm__("movq %%fs:0, %0" : "=r"(pointer));
    return pointer;
}

/* A function without a frame of the compiler's: nothing but these instructions. At the call the stack is aligned to 16 bytes, and
 * the two argument registers lie in memory in this order. */
#define CONTEXT_FORWARD(choose, result, name, first_type, second_type)                                                 \
    __attribute__((naked)) result name(first_type first __attribute__((unused)),                                       \
                                       second_type second __attribute__((unused)))                                     \
    {                                                                                                                  \
        __asm__("pushq %rsi\n\t"                                                                                       \
                ".cfi_adjust_cfa_offset 8\n\t"                                                                         \
                "pushq %rdi\n\t"                                                                                       \
                ".cfi_adjust_cfa_offset 8\n\t"                                                                         \
                "movq %rsp, %rdi\n\t"                                                                                  \
                "subq $8, %rsp\n\t"                                                                                    \
                ".cfi_adjust_cfa_offset 8\n\t"                                                                         \
                "call " #choose "\n\t"                                                                                 \
                "addq $8, %rsp\n\t"                                                                                    \
                ".cfi_adjust_cfa_offset -8\n\t"                                                                        \
                "popq %rdi\n\t"                                                                                        \
                ".cfi_adjust_cfa_offset -8\n\t"                                                                        \
                "popq %rsi\n\t"                                                                                        \
                ".cfi_adjust_cfa_offset -8\n\t"                                                                        \
                "testq %rax, %rax\n\t"                                                                                 \
                "jz 1f\n\t"                                                                                            \
                "jmpq *%rax\n"                                                                                         \
                "1:\tretq");                                                                                           \
    }

#define CONTEXT_TEXT(value) #value
#define CONTEXT_DIVERT(result, name, value, instead, otherwise)                                                        \
    __attribute__((naked)) result name(long number __attribute__((unused)), ...)                                       \
    {                                                                                                                  \
        __asm__("cmpq $" CONTEXT_TEXT(value) ", %rdi\n\tje " #instead "\n\tjmp " #otherwise);                          \
    }

#endif
