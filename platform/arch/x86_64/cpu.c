/* SPDX-License-Identifier: MIT */
/* gci_cpu_has of platform/cpu.h for x86-64. The compiler's builtins would ask the processor when the library is loaded, which in
 * a virtual machine takes a tenth of a millisecond, and most processes end before they collect. */
#include "platform/cpu.h"

#include <cpuid.h>
#include <stdint.h>

#include "base/atomic.h"

/* Of XCR0: what the system keeps of a thread's registers (Intel SDM, volume 1, 13.3). */
#define KEPT_AVX 0x06u
#define KEPT_AVX512 0xe6u

static uint32_t kept_registers(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static enum simd highest_simd(void)
{
    const unsigned with_avx = bit_OSXSAVE | bit_AVX | bit_POPCNT;
    unsigned a, b, features, extended, d;
    if (__get_cpuid(1, &a, &b, &features, &d) == 0 || (features & with_avx) != with_avx)
        return SIMD_SCALAR;
    if (__get_cpuid_count(7, 0, &a, &extended, &b, &d) == 0 || (extended & bit_BMI) == 0)
        return SIMD_SCALAR;
    if ((extended & bit_AVX512F) != 0 && (kept_registers() & KEPT_AVX512) == KEPT_AVX512)
        return SIMD_AVX512;
    return (extended & bit_AVX2) != 0 && (kept_registers() & KEPT_AVX) == KEPT_AVX ? SIMD_AVX2 : SIMD_SCALAR;
}

bool gci_cpu_has(enum simd simd)
{
    static volatile u32_shared asked; /* the answer + 1; 0: not yet, and threads that ask at once hear the same */
    if (u32_load(&asked) == 0)
        u32_store(&asked, highest_simd() + 1);
    return simd < u32_load(&asked);
}
