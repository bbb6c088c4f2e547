/* SPDX-License-Identifier: MIT */
/* See platform/context.h. */
        .text

/* gci_context_call: rdi = function, rsi = argument. */
        .globl  gci_context_call
        .hidden gci_context_call
        .type   gci_context_call, @function
gci_context_call:
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        pushq   $0                      /* 16-byte alignment at the call */
        .cfi_adjust_cfa_offset 8
        movq    %rdi, %rax
        movq    %rsp, %rdi
        call    *%rax
        addq    $56, %rsp               /* callee-saved registers are as they were */
        .cfi_adjust_cfa_offset -56
        ret
        .cfi_endproc
        .size   gci_context_call, . - gci_context_call

/* gci_context_call_on: rdi = top, rsi = function, rdx = argument. */
        .globl  gci_context_call_on
        .hidden gci_context_call_on
        .type   gci_context_call_on, @function
gci_context_call_on:
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_offset %rbp, -16
        movq    %rsp, %rbp
        .cfi_def_cfa_register %rbp
        movq    %rdi, %rsp
        movq    %rdx, %rdi
        call    *%rsi
        movq    %rbp, %rsp
        popq    %rbp
        .cfi_def_cfa %rsp, 8
        ret
        .cfi_endproc
        .size   gci_context_call_on, . - gci_context_call_on

/* Calls \walk with its own arguments and, in \registers, where the registers are that frames are found by: rbp, rbx and the
 * return address, in this order. */
        .macro  callers name, walk, registers
        .globl  \name
        .hidden \name
        .type   \name, @function
\name:
        .cfi_startproc
        endbr64
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        movq    %rsp, \registers
        subq    $8, %rsp                /* 16-byte alignment at the call */
        .cfi_adjust_cfa_offset 8
        call    \walk
        addq    $24, %rsp
        .cfi_adjust_cfa_offset -24
        ret
        .cfi_endproc
        .size   \name, . - \name
        .endm

        callers gci_context_callers, gci_frames_walk, %rdx
        callers gci_context_trail_result, gci_trail_result, %rdx

/* gci_context_call_system: rdi = number, then its arguments, the last of the six on the stack. */
        .globl  gci_context_call_system
        .hidden gci_context_call_system
        .type   gci_context_call_system, @function
gci_context_call_system:
        .cfi_startproc
        endbr64
        movq    %rdi, %rax
        movq    %rsi, %rdi
        movq    %rdx, %rsi
        movq    %rcx, %rdx
        movq    %r8, %r10
        movq    %r9, %r8
        movq    8(%rsp), %r9
        syscall
        cmpq    $-4095, %rax            /* errors are the last page of numbers */
        jae     1f
        ret
1:      movq    %rax, %rdi
        jmp     gci_context_note_error
        .cfi_endproc
        .size   gci_context_call_system, . - gci_context_call_system

        .section .note.GNU-stack, "", @progbits
