/* SPDX-License-Identifier: MIT */
/* Rounding, bit scans, mixing and overflow-checked arithmetic. Pure functions. */
#ifndef GCI_BASE_BITS_H
#define GCI_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

#define BITS_PER_WORD 64u

/* `alignment` is a power of two in all of these. */
ALWAYS_INLINE uintptr_t align_down(uintptr_t value, uintptr_t alignment)
{
    return value & ~(alignment - 1);
}

ALWAYS_INLINE uintptr_t align_up(uintptr_t value, uintptr_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

ALWAYS_INLINE bool is_power_of_two(uintptr_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* Index of the lowest set bit; `bits` is not 0. */
ALWAYS_INLINE unsigned lowest_bit(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

ALWAYS_INLINE unsigned highest_bit(uint64_t bits)
{
    return 63u - (unsigned)__builtin_clzll(bits);
}

/* Sums of pairs, of nibbles, of bytes, of all: the builtin is a call where processors without popcnt are served. */
ALWAYS_INLINE unsigned count_bits(uint64_t bits)
{
    bits -= bits >> 1 & UINT64_C(0x5555555555555555);
    bits = (bits & UINT64_C(0x3333333333333333)) + (bits >> 2 & UINT64_C(0x3333333333333333));
    bits = (bits + (bits >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)(bits * UINT64_C(0x0101010101010101) >> 56);
}

/* The lowest `count` bits set; count is 0 to 64. */
ALWAYS_INLINE uint64_t low_bits(unsigned count)
{
    return count >= BITS_PER_WORD ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1;
}

/* Least power of two >= value; value is 1 to 2^63. */
ALWAYS_INLINE uint64_t power_of_two_up(uint64_t value)
{
    return value <= 1 ? 1 : UINT64_C(1) << (highest_bit(value - 1) + 1);
}

ALWAYS_INLINE uint64_t power_of_two_down(uint64_t value)
{
    return UINT64_C(1) << highest_bit(value);
}

/* 2^64 divided by the golden ratio, odd: products with it have patterns no more, least of all in the upper bits. */
#define GOLDEN_ODD UINT64_C(0x9e3779b97f4a7c15)

__extension__ typedef unsigned __int128 wide_word;

/* Both halves of a product, mixed (as in wyhash). */
ALWAYS_INLINE uint64_t mixed_product(uint64_t a, uint64_t b)
{
    wide_word product = (wide_word)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* False on overflow, and *product is then undefined. */
ALWAYS_INLINE bool multiply_sizes(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

#endif
