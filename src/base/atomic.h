/* SPDX-License-Identifier: MIT */
/* Atomic operations with types; the only file that includes libatomic_ops.
 *
 * word_*: 64-bit words; u32_*, u16_*: 32 and 16 bits. The suffix names the barrier; read-modify-write operations are full
 * barriers unless they say otherwise. A compare-and-swap fails only when the value differs.
 */
#ifndef GCI_BASE_ATOMIC_H
#define GCI_BASE_ATOMIC_H

#define AO_REQUIRE_CAS
#include <atomic_ops.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

STATIC_ASSERT(sizeof(AO_t) == 8, "gcalloc is written for 64-bit words");

typedef AO_t shared_word; /* a 64-bit word that several threads may access; always through the functions below */
typedef unsigned u32_shared;
typedef unsigned short u16_shared;

ALWAYS_INLINE uint64_t word_load(const volatile shared_word *at)
{
    return AO_load(at);
}

ALWAYS_INLINE uint64_t word_load_acquire(const volatile shared_word *at)
{
    return AO_load_acquire(at);
}

ALWAYS_INLINE void word_store(volatile shared_word *at, uint64_t value)
{
    AO_store(at, value);
}

ALWAYS_INLINE void word_store_release(volatile shared_word *at, uint64_t value)
{
    AO_store_release(at, value);
}

ALWAYS_INLINE bool word_compare_and_swap(volatile shared_word *at, uint64_t old, uint64_t value)
{
    return AO_compare_and_swap_full(at, old, value) != 0;
}

/* Returns the value before. */
ALWAYS_INLINE uint64_t word_add(volatile shared_word *at, uint64_t value)
{
    return AO_fetch_and_add_full(at, value);
}

/* Returns the value before; a loop, as libatomic_ops has no exchange. */
ALWAYS_INLINE uint64_t word_exchange(volatile shared_word *at, uint64_t value)
{
    uint64_t old = AO_load(at);
    while (!AO_compare_and_swap_full(at, old, value))
        old = AO_load(at);
    return old;
}

/* Returns the value before: whoever sees the bit clear in it is the one that set it. */
ALWAYS_INLINE uint64_t word_fetch_or(volatile shared_word *at, uint64_t bits)
{
    uint64_t old = AO_load(at);
    while (!AO_compare_and_swap_full(at, old, old | bits))
        old = AO_load(at);
    return old;
}

/* Raises `at` to `value` if it is lower. */
ALWAYS_INLINE void word_raise(volatile shared_word *at, uint64_t value)
{
    uint64_t old = AO_load(at);
    while (old < value && !AO_compare_and_swap_full(at, old, value))
        old = AO_load(at);
}

ALWAYS_INLINE uint32_t u32_load(const volatile u32_shared *at)
{
    return AO_int_load(at);
}

ALWAYS_INLINE uint32_t u32_load_acquire(const volatile u32_shared *at)
{
    return AO_int_load_acquire(at);
}

ALWAYS_INLINE void u32_store(volatile u32_shared *at, uint32_t value)
{
    AO_int_store(at, value);
}

ALWAYS_INLINE void u32_store_release(volatile u32_shared *at, uint32_t value)
{
    AO_int_store_release(at, value);
}

ALWAYS_INLINE bool u32_compare_and_swap(volatile u32_shared *at, uint32_t old, uint32_t value)
{
    return AO_int_compare_and_swap_full(at, old, value) != 0;
}

/* Returns the value before. */
ALWAYS_INLINE uint32_t u32_add(volatile u32_shared *at, uint32_t value)
{
    return AO_int_fetch_and_add_full(at, value);
}

ALWAYS_INLINE uint32_t u32_exchange(volatile u32_shared *at, uint32_t value)
{
    uint32_t old = AO_int_load(at);
    while (!AO_int_compare_and_swap_full(at, old, value))
        old = AO_int_load(at);
    return old;
}

ALWAYS_INLINE uint16_t u16_load(const volatile u16_shared *at)
{
    return AO_short_load(at);
}

ALWAYS_INLINE void u16_store(volatile u16_shared *at, uint16_t value)
{
    AO_short_store(at, value);
}

ALWAYS_INLINE void fence_full(void)
{
    AO_nop_full();
}

#endif
