/* SPDX-License-Identifier: MIT */
/* Implementation of profile/draw.h; without the C library's mathematics, which the library would have to be linked with. */
#include "profile/draw.h"

#include "base/bits.h"

/* Vigna, An experimental exploration of Marsaglia's xorshift generators, scrambled (2016). */
uint64_t gci_draw_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

#define LN_2 0.69314718055994530942
#define MANTISSA_BITS 52u

/* ln m = 2 (s + s^3/3 + s^5/5 + ...), s = (m - 1) / (m + 1). For m below 2 s is below 1/3, so that ten terms leave an error
 * below 1e-10. */
#define LOG_TERMS 10

static double natural_log(uint64_t number)
{
    unsigned exponent = highest_bit(number);
    double mantissa = (double)(number << (MANTISSA_BITS - exponent)) / (double)(UINT64_C(1) << MANTISSA_BITS);
    double s = (mantissa - 1) / (mantissa + 1);
    double sum = 0;
    for (int i = LOG_TERMS - 1; i >= 0; i--)
        sum = sum * s * s + 1.0 / (2 * i + 1);
    return exponent * LN_2 + 2 * s * sum;
}

/* -ln of a number that is uniform in (0, 1], times the rate. */
uint64_t gci_draw_distance(uint64_t *state, uint64_t rate_bytes)
{
    uint64_t uniform = (gci_draw_next(state) >> (64 - MANTISSA_BITS)) + 1; /* of 2^52 */
    double distance = (MANTISSA_BITS * LN_2 - natural_log(uniform)) * (double)rate_bytes;
    return distance < 1 ? 1 : (uint64_t)distance + 1;
}

/* From here on exp(-x) is 0 beside 1, in double precision. */
#define SURE 40.0

/* exp(-x) - 1 of a small x by its series, then e(2x) = e(x) (2 + e(x)): no digits are lost. */
double gci_draw_weight(uint64_t bytes, uint64_t rate_bytes)
{
    double x = (double)bytes / (double)rate_bytes;
    unsigned doublings = 0;
    if (x >= SURE)
        return 1;
    for (; x > 0.0625; doublings++)
        x /= 2;
    double e = -x * (1 - x / 2 * (1 - x / 3 * (1 - x / 4 * (1 - x / 5 * (1 - x / 6 * (1 - x / 7))))));
    for (; doublings > 0; doublings--)
        e *= 2 + e;
    return -1 / e;
}
