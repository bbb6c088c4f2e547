/* SPDX-License-Identifier: MIT */
#ifndef TEST_LANES_PROBE_H
#define TEST_LANES_PROBE_H

#include <stddef.h>
#include <stdint.h>

#define PROBE_LANES_MAX 8

struct lanes_probe {
    size_t lanes;
    uint32_t (*candidates)(const uintptr_t *words, size_t count, uintptr_t base, uintptr_t span);
    size_t (*compress)(const uintptr_t *words, uintptr_t base, uintptr_t span, uintptr_t *found);
};
extern const struct lanes_probe lanes_probe_scalar;
extern const struct lanes_probe lanes_probe_avx2;
extern const struct lanes_probe lanes_probe_avx512;

#endif
