/* SPDX-License-Identifier: MIT */
/* gci_cpu_has of platform/cpu.h for x86-64. The builtins ask the system too: whether it keeps the wide registers of a thread. */
#include "platform/cpu.h"

bool gci_cpu_has(enum simd simd)
{
    __builtin_cpu_init();
    switch (simd) {
    case SIMD_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("bmi");
    case SIMD_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("bmi");
    default:
        return simd == SIMD_SCALAR;
    }
}
