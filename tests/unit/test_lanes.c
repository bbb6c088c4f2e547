/* SPDX-License-Identifier: MIT */
/* Words compared several at a time, against the same done one at a time in plain C. */
#include "lanes_probe.h"
#include "platform/cpu.h"
#include "support.h"

#define ROUNDS 200000
#define LOW_48_BITS ((UINT64_C(1) << 48) - 1)

static const struct lanes_probe *const probes[SIMD_COUNT] = {
    [SIMD_SCALAR] = &lanes_probe_scalar, [SIMD_AVX2] = &lanes_probe_avx2, [SIMD_AVX512] = &lanes_probe_avx512};

struct window_of_addresses {
    uintptr_t base;
    uintptr_t span;
};

/* Regions as they are, and some at the ends of what 48 bits can say. */
static struct window_of_addresses random_window(uint64_t *random)
{
    uint64_t r = random_next(random);
    uintptr_t span = (random_next(random) >> (r >> 8) % 50) % (UINT64_C(1) << 40) + 1;
    uintptr_t base = r % 4 == 0 ? 0 : random_next(random) & LOW_48_BITS;
    if (base + span > LOW_48_BITS)
        base = LOW_48_BITS + 1 - span;
    return (struct window_of_addresses){base, span};
}

static uintptr_t random_word(struct window_of_addresses window, uint64_t *random)
{
    uint64_t r = random_next(random);
    uintptr_t tag = (r >> 4) % 2 ? r & ~LOW_48_BITS : 0;
    switch (r % 8) {
    case 0:
        return (window.base - 1) ^ tag;
    case 1:
        return window.base ^ tag;
    case 2:
        return (window.base + window.span - 1) ^ tag;
    case 3:
        return (window.base + window.span) ^ tag;
    case 4:
        return (window.base + random_next(random) % window.span) ^ tag;
    case 5:
        return (UINT64_C(1) << 47) - 1 + (r >> 5) % 3;
    case 6:
        return (UINT64_C(1) << 63) - 1 + (r >> 5) % 3;
    default:
        return r >> (r >> 5) % 64;
    }
}

static bool is_candidate(uintptr_t word, struct window_of_addresses window)
{
    return (word & LOW_48_BITS) >= window.base && (word & LOW_48_BITS) - window.base < window.span;
}

static void compare(const struct lanes_probe *probe)
{
    uint64_t random = random_seed();
    for (int round = 0; round < ROUNDS; round++) {
        struct window_of_addresses window = random_window(&random);
        uintptr_t words[PROBE_LANES_MAX];
        uintptr_t found[PROBE_LANES_MAX];
        uintptr_t expected[PROBE_LANES_MAX];
        size_t expected_count = 0;
        uint32_t expected_mask = 0;
        size_t count = 1 + random_next(&random) % probe->lanes;
        for (size_t i = 0; i < probe->lanes; i++) {
            words[i] = random_word(window, &random);
            if (!is_candidate(words[i], window))
                continue;
            expected[expected_count++] = words[i] & LOW_48_BITS;
            expected_mask |= (uint32_t)(i < count) << i;
        }
        ck_assert_uint_eq(probe->candidates(words, count, window.base, window.span), expected_mask);
        ck_assert_uint_eq(probe->compress(words, window.base, window.span, found), expected_count);
        ck_assert_mem_eq(found, expected, expected_count * sizeof *found);
    }
}

START_TEST(several_words_are_compared_like_one)
{
    for (int simd = 0; simd < SIMD_COUNT; simd++)
        if (gci_cpu_has((enum simd)simd))
            compare(probes[simd]);
}
END_TEST

MAKE_SUITE(lanes, several_words_are_compared_like_one)
