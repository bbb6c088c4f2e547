/* SPDX-License-Identifier: MIT */
/* Contract: instructions that C does not name. Each processor's folder has cpu_arch.h. */
#ifndef GCI_PLATFORM_CPU_H
#define GCI_PLATFORM_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "cpu_arch.h"

/* gci_cpu_or(at, bits): *at |= bits in one step as seen by a signal on the same thread (not by other threads).
 * gci_cpu_add(at, value): *at += value, in one step as above. gci_cpu_count(at): ++*at, the same, of 32 bits.
 * gci_cpu_test(at, bits): whether any of them is set in *at. gci_cpu_is_set(at): *at, which may change at any time.
 * gci_cpu_spend(at, amount): *at -= amount, modulo 2^64, in one step as above; whether *at was no more than that.
 * gci_cpu_ticks(): a counter that goes at a constant pace, for times where asking the clock costs too much.
 * gci_cpu_highest_bit(bits): index of the highest set bit; bits is not 0.
 * gci_cpu_without(bits, index): bits without that one.
 * gci_cpu_relax(): a pause in a spin loop.
 * gci_cpu_prefetch(address): fetches a line for reading soon. */

/* ---- Several words at once ---------------------------------------------------------------------------------------- */

/* Sets of instructions that the functions below can be made of. */
enum simd { SIMD_SCALAR, SIMD_AVX2, SIMD_AVX512, SIMD_COUNT };

/* Whether this processor and system have it. */
bool gci_cpu_has(enum simd simd);

/* A file that uses these is compiled once for each set of instructions, with GCI_LANES_AVX512 or GCI_LANES_AVX2 defined, or
 * neither. The scalar ones below tell what the others, in the processor's lanes_arch.h, do. A candidate is a word whose lower
 * 48 bits are in [base, base + span). Words are read as they are, whoever writes them. */
#define LANES_ADDRESS_MASK ((UINT64_C(1) << 48) - 1)

typedef uintptr_t MAY_ALIAS lanes_word;

#if defined(GCI_LANES_AVX512) || defined(GCI_LANES_AVX2)
#include "lanes_arch.h"
#else

#define LANES 1u

/* Which of the first `count` words (at most LANES; not 0) are candidates: bit 0 is words[0]. */
ALWAYS_INLINE uint32_t lanes_candidates(const lanes_word *words, size_t count, uintptr_t base, uintptr_t span)
{
    (void)count;
    return (words[0] & LANES_ADDRESS_MASK) - base < span;
}

/* Writes the addresses of the candidates among LANES words to `found`, which has room for LANES; returns their number. */
ALWAYS_INLINE size_t lanes_compress(const lanes_word *words, uintptr_t base, uintptr_t span, uintptr_t *found)
{
    *found = words[0] & LANES_ADDRESS_MASK;
    return *found - base < span;
}

#endif

#endif
