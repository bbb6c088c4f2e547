/* SPDX-License-Identifier: MIT */
/* How to get from a place in the code to the frame of its caller: what the unwind tables say of it, in eight bytes.
 *
 * CFA is the standard's word for the stack pointer of the caller, just before its call: the return address lies below it.
 * The rules name three registers only. Those are enough: compilers find the CFA from rsp or rbp, the loader's trampolines
 * from rbx, and those two are found where they were saved.
 */
#ifndef GCI_FRAME_RULE_H
#define GCI_FRAME_RULE_H

#include <stdint.h>

#include "base/attributes.h"
#include "platform/image.h"

/* The processor's registers by the numbers of the unwind tables (System V ABI, x86-64, figure 3.36). */
enum frame_register { FRAME_RBX = 3, FRAME_RBP = 6, FRAME_RSP = 7, FRAME_RIP = 16 };

enum frame_kind {
    FRAME_UNKNOWN, /* the tables do not tell */
    FRAME_BY_RSP,  /* CFA = register + offset: these three are plain rules, in which `how` holds nothing but the kind */
    FRAME_BY_RBP,
    FRAME_BY_RBX,
    FRAME_DIRECT,   /* CFA = register + offset */
    FRAME_INDIRECT, /* CFA = *(register + offset) + 8 * reach */
    FRAME_SIGNAL,   /* what a signal handler returns to: the CFA of the handler is the address of its context */
    FRAME_END       /* no caller, or none that these rules can tell */
};

struct frame_rule {
    int32_t offset;   /* a multiple of 8 in plain rules */
    uint8_t rbp_slot; /* where the register is saved: the word that many words below the CFA; 0: it is as it was */
    uint8_t rbx_slot;
    uint8_t reach; /* plain rules: how many words below the CFA are read, at least 1 */
    uint8_t how;   /* kind, FRAME_SLOTS_BY_RBP, register */
};
STATIC_ASSERT(sizeof(struct frame_rule) == sizeof(uint64_t), "a rule is one word of the cache");

#define FRAME_KIND_MASK 7u
#define FRAME_SLOTS_BY_RBP 8u /* slot n is the word n - 1 words below rbp, as in functions that align their frame */
#define FRAME_REGISTER_SHIFT 4

ALWAYS_INLINE enum frame_kind frame_kind(struct frame_rule rule)
{
    return (enum frame_kind)(rule.how & FRAME_KIND_MASK);
}

/* Rule for the instruction that the byte at `at` belongs to; the module holds it. Reads nothing outside module->tables,
 * whatever these hold. Async-signal-safe. */
struct frame_rule gci_frame_rule_find(const struct module *module, uintptr_t at);

#endif
