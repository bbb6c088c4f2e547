/* SPDX-License-Identifier: MIT */
#include "cli/base/hash.h"

#include <string.h>
#include <sys/random.h>

#define GOLDEN_ODD                                                                                                     \
    UINT64_C(0x9e3779b97f4a7c15)          /* 2^64 divided by the golden ratio: products with it have no patterns */
#define FNV_PRIME UINT64_C(0x100000001b3) /* of FNV-1a with 64 bits */

__extension__ typedef unsigned __int128 wide_number;

/* Drawn once; a constant where the system has no random numbers yet. */
static uint64_t seed(void)
{
    static uint64_t drawn;
    if (drawn == 0 && (getrandom(&drawn, sizeof drawn, GRND_NONBLOCK) != (ssize_t)sizeof drawn || drawn == 0))
        drawn = GOLDEN_ODD;
    return drawn;
}

/* Both halves of a product, which together depend on all bits of the number. */
uint64_t gci_hash_number(uint64_t number)
{
    wide_number product = (wide_number)(number ^ seed()) * GOLDEN_ODD;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t gci_hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    hash ^= seed();
    for (const unsigned char *at = bytes, *end = at + length; at < end; at++)
        hash = (hash ^ *at) * FNV_PRIME;
    return gci_hash_number(hash ^ length);
}

uint64_t gci_hash_text(uint64_t hash, const char *text)
{
    return text ? gci_hash_bytes(hash, text, strlen(text)) : gci_hash_bytes(hash, "", 0);
}
