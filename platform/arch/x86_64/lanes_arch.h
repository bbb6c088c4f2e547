/* SPDX-License-Identifier: MIT */
/* The lanes of platform/cpu.h for AVX-512 (F) and AVX2. */
#ifndef GCI_PLATFORM_ARCH_LANES_H
#define GCI_PLATFORM_ARCH_LANES_H

#include <immintrin.h>

#if defined(GCI_LANES_AVX512)

#define LANES 8u

ALWAYS_INLINE __m512i lanes_offsets(__m512i words, uintptr_t base)
{
    __m512i addresses = _mm512_and_si512(words, _mm512_set1_epi64((long long)LANES_ADDRESS_MASK));
    return _mm512_sub_epi64(addresses, _mm512_set1_epi64((long long)base));
}

ALWAYS_INLINE uint32_t lanes_candidates(const lanes_word *words, size_t count, uintptr_t base, uintptr_t span)
{
    __mmask8 wanted = (__mmask8)(count >= LANES ? 0xff : (1u << count) - 1);
    __m512i offsets = lanes_offsets(_mm512_maskz_loadu_epi64(wanted, words), base);
    return _mm512_mask_cmplt_epu64_mask(wanted, offsets, _mm512_set1_epi64((long long)span));
}

/* Compressing to memory is slow on some processors: to a register, and the whole of it is stored. */
ALWAYS_INLINE size_t lanes_compress(const lanes_word *words, uintptr_t base, uintptr_t span, uintptr_t *found)
{
    __m512i offsets = lanes_offsets(_mm512_loadu_si512(words), base);
    __mmask8 mask = _mm512_cmplt_epu64_mask(offsets, _mm512_set1_epi64((long long)span));
    __m512i packed = _mm512_maskz_compress_epi64(mask, offsets);
    _mm512_storeu_si512(found, _mm512_add_epi64(packed, _mm512_set1_epi64((long long)base)));
    return (size_t)__builtin_popcount(mask);
}

#else

#define LANES 4u

/* There is no unsigned comparison: both sides are moved by half the range. */
ALWAYS_INLINE __m256i lanes_below(__m256i addresses, uintptr_t base, uintptr_t span)
{
    const __m256i half = _mm256_set1_epi64x(INT64_MIN);
    __m256i offsets = _mm256_sub_epi64(addresses, _mm256_set1_epi64x((long long)base));
    __m256i limit = _mm256_xor_si256(_mm256_set1_epi64x((long long)span), half);
    return _mm256_cmpgt_epi64(limit, _mm256_xor_si256(offsets, half));
}

ALWAYS_INLINE uint32_t lanes_mask(__m256i lanes)
{
    return (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(lanes));
}

ALWAYS_INLINE __m256i lanes_addresses(__m256i words)
{
    return _mm256_and_si256(words, _mm256_set1_epi64x((long long)LANES_ADDRESS_MASK));
}

ALWAYS_INLINE uint32_t lanes_candidates(const lanes_word *words, size_t count, uintptr_t base, uintptr_t span)
{
    if (LIKELY(count >= LANES)) {
        __m256i all = lanes_addresses(_mm256_loadu_si256((const __m256i *)words));
        return lanes_mask(lanes_below(all, base, span));
    }
    uint32_t mask = 0;
    for (size_t i = 0; i < count; i++)
        mask |= (uint32_t)((words[i] & LANES_ADDRESS_MASK) - base < span) << i;
    return mask;
}

/* By mask: where each half of a lane comes from, so that the lanes of the mask stand in front. */
static const uint32_t lanes_order[16][8] = {
    {0, 1, 0, 1, 0, 1, 0, 1}, {0, 1, 0, 1, 0, 1, 0, 1}, {2, 3, 0, 1, 0, 1, 0, 1}, {0, 1, 2, 3, 0, 1, 0, 1},
    {4, 5, 0, 1, 0, 1, 0, 1}, {0, 1, 4, 5, 0, 1, 0, 1}, {2, 3, 4, 5, 0, 1, 0, 1}, {0, 1, 2, 3, 4, 5, 0, 1},
    {6, 7, 0, 1, 0, 1, 0, 1}, {0, 1, 6, 7, 0, 1, 0, 1}, {2, 3, 6, 7, 0, 1, 0, 1}, {0, 1, 2, 3, 6, 7, 0, 1},
    {4, 5, 6, 7, 0, 1, 0, 1}, {0, 1, 4, 5, 6, 7, 0, 1}, {2, 3, 4, 5, 6, 7, 0, 1}, {0, 1, 2, 3, 4, 5, 6, 7},
};

ALWAYS_INLINE size_t lanes_compress(const lanes_word *words, uintptr_t base, uintptr_t span, uintptr_t *found)
{
    __m256i addresses = lanes_addresses(_mm256_loadu_si256((const __m256i *)words));
    uint32_t mask = lanes_mask(lanes_below(addresses, base, span));
    __m256i order = _mm256_loadu_si256((const __m256i *)lanes_order[mask]);
    _mm256_storeu_si256((__m256i *)found, _mm256_permutevar8x32_epi32(addresses, order));
    return (size_t)__builtin_popcount(mask);
}

#endif
#endif
