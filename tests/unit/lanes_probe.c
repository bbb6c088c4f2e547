/* SPDX-License-Identifier: MIT */
/* platform/cpu.h as functions that can be called; compiled once for each set of instructions. */
#include "lanes_probe.h"

#include "platform/cpu.h"

#if defined(GCI_LANES_AVX512)
#define PROBE lanes_probe_avx512
#elif defined(GCI_LANES_AVX2)
#define PROBE lanes_probe_avx2
#else
#define PROBE lanes_probe_scalar
#endif

static uint32_t candidates(const uintptr_t *words, size_t count, uintptr_t base, uintptr_t span)
{
    return lanes_candidates(words, count, base, span);
}

static size_t compress(const uintptr_t *words, uintptr_t base, uintptr_t span, uintptr_t *found)
{
    return lanes_compress(words, base, span, found);
}

const struct lanes_probe PROBE = {LANES, candidates, compress};
