/* SPDX-License-Identifier: MIT */
#ifndef GCI_PLATFORM_ARCH_CPU_H
#define GCI_PLATFORM_ARCH_CPU_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

ALWAYS_INLINE void gci_cpu_or(volatile uint64_t *at, uint64_t bits)
{
    __asm__ volatile("orq %1, %0" : "+m"(*at) : "r"(bits) : "cc");
}

/* The compiler's builtin is an int, and extending it costs another instruction. bsf, or tzcnt where the processor has it. */
ALWAYS_INLINE size_t gci_cpu_lowest_bit(uint64_t bits)
{
    size_t index;
    __asm__("rep bsfq %1, %0" : "=r"(index) : "r"(bits) : "cc");
    return index;
}

ALWAYS_INLINE void gci_cpu_relax(void)
{
    __asm__ volatile("pause");
}

ALWAYS_INLINE void gci_cpu_prefetch(const void *address)
{
    __builtin_prefetch(address, 0, 3);
}

#endif
