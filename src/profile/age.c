/* SPDX-License-Identifier: MIT */
/* Implementation of profile/age.h. */
#include "profile/age.h"

#include "base/bits.h"
#include "base/profile_format.h"
#include "platform/clock.h"

#define NS_PER_MS 1000000u

struct age_clock gci_age_clock;

uint64_t gci_age_now_ns(void)
{
    return gci_clock_ns() - gci_age_clock.start_ns;
}

uint64_t gci_age_learn_pace(void)
{
    uint64_t ns = gci_age_now_ns();
    uint64_t ticks = age_now_ticks();
    uint64_t pace = ticks == 0 ? 0 : (uint64_t)((double)ns / (double)ticks * 4294967296.0);
    if (pace == 0)
        pace = UINT64_C(1) << 32;
    word_store(&gci_age_clock.tick_ns_2_32, pace);
    word_store(&gci_age_clock.young_units, ((uint64_t)NS_PER_MS << 32) / pace >> AGE_UNIT_SHIFT);
    return pace;
}

/* Long enough to know the pace of the ticks to a part in some hundreds, for the first milliseconds. */
#define PACE_NS 20000u

void gci_age_start(void)
{
    gci_age_clock.start_ns = gci_clock_ns();
    gci_age_clock.start_ticks = gci_cpu_ticks();
    while (gci_age_now_ns() < PACE_NS)
        ;
    gci_age_learn_pace();
}

static uint64_t units_to_ns(uint64_t units)
{
    uint64_t ticks = units << AGE_UNIT_SHIFT;
    uint64_t pace = word_load(&gci_age_clock.tick_ns_2_32);
    return (ticks >> 32) * pace + ((ticks & UINT32_MAX) * pace >> 32);
}

uint64_t gci_age_born_ns(uint64_t origin)
{
    return units_to_ns(origin >> AGE_TIME_SHIFT);
}

unsigned gci_age_class(uint64_t age_ns)
{
    if (age_ns <= NS_PER_MS)
        return 0;
    unsigned index = highest_bit((age_ns - 1) / NS_PER_MS) / 2 + 1;
    return index < PROFILE_LIFETIMES ? index : PROFILE_LIFETIMES - 1;
}

/* Less than no time has passed where processors do not agree. */
unsigned gci_age_class_now(uint64_t origin)
{
    int64_t age = (int64_t)(age_units(age_now_ticks()) - (origin >> AGE_TIME_SHIFT));
    return LIKELY(age < (int64_t)word_load(&gci_age_clock.young_units)) ? 0 : gci_age_class(units_to_ns((uint64_t)age));
}
