/* SPDX-License-Identifier: MIT */
#ifndef GCI_PLATFORM_ARCH_CPU_H
#define GCI_PLATFORM_ARCH_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

ALWAYS_INLINE void gci_cpu_or(volatile uint64_t *at, uint64_t bits)
{
    __asm__ volatile("orq %1, %0" : "+m"(*at) : "r"(bits) : "cc");
}

/* For a word that one thread changes: no signal on it comes in between. */
ALWAYS_INLINE void gci_cpu_add(volatile uint64_t *at, uint64_t value)
{
    __asm__ volatile("addq %1, %0" : "+m"(*at) : "er"(value) : "cc");
}

ALWAYS_INLINE void gci_cpu_count(volatile uint32_t *at)
{
    __asm__ volatile("incl %0" : "+m"(*at) : : "cc");
}

/* The compiler loads what is volatile before it looks at it. */
ALWAYS_INLINE bool gci_cpu_is_set(const volatile bool *at)
{
    bool is_set;
    __asm__ volatile("cmpb $0, %1" : "=@ccne"(is_set) : "m"(*at));
    return is_set;
}

/* The compiler loads the word and keeps a copy of the bits; the processor needs neither. */
ALWAYS_INLINE bool gci_cpu_test(const uint64_t *at, uint64_t bits)
{
    bool any;
    __asm__("testq %2, %1" : "=@ccnz"(any) : "m"(*at), "r"(bits));
    return any;
}

ALWAYS_INLINE uint64_t gci_cpu_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

/* The compiler would load, compare and store. */
ALWAYS_INLINE bool gci_cpu_spend(uint64_t *at, uint64_t amount)
{
    bool is_spent;
    __asm__ volatile("subq %2, %0" : "+m"(*at), "=@ccbe"(is_spent) : "r"(amount));
    return is_spent;
}

/* The compiler's builtin is an int, and extending it costs another instruction. */
ALWAYS_INLINE size_t gci_cpu_highest_bit(uint64_t bits)
{
    size_t index;
    __asm__("bsrq %1, %0" : "=r"(index) : "r"(bits) : "cc");
    return index;
}

ALWAYS_INLINE uint64_t gci_cpu_without(uint64_t bits, size_t index)
{
    __asm__("btrq %1, %0" : "+r"(bits) : "r"(index) : "cc");
    return bits;
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
