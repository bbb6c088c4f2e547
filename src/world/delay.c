/* SPDX-License-Identifier: MIT */
/* Implementation of world/delay.h. */
#include "world/delay.h"

#if defined(GCI_TORTURE)

#include "base/atomic.h"
#include "base/bits.h"
#include "platform/sync.h"

#define DELAY_NS_MAX 200000u
#define ONE_IN 4u

static shared_word state;

void gci_world_delay_init(uint64_t seed)
{
    word_store(&state, seed);
}

/* Weyl sequence and a mixing step: any thread may take the next number. */
static uint64_t next_random(void)
{
    uint64_t x = word_add(&state, GOLDEN_ODD);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ (x >> 31);
}

void world_delay(void)
{
    if (word_load(&state) == 0)
        return;
    uint64_t random = next_random();
    static u32_shared never;
    if (random % ONE_IN == 0)
        gci_park(&never, 0, (random >> 8) % DELAY_NS_MAX);
}

#else
typedef int delay_is_empty_in_this_build; /* ISO C wants a declaration in every file */
#endif
