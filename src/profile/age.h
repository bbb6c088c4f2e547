/* SPDX-License-Identifier: MIT */
/* Times of a session: when objects were born, and how old they are.
 *
 * Births are counted in processor ticks, which cost a third of a clock; the session knows how long one takes. Yet to read them
 * costs as much as all else that is done for a free at level full. So there, of the births of a thread that has many, one of
 * AGE_TIMED_EVERY is timed, by chance, and stands for so many where lifetimes are counted; the others have the time of the
 * thread's last one that was. Those that a row begins with are all timed, and stand for themselves.
 *
 * An origin (heap/special/sample.h) is the name of a row (sites.h), how the birth was timed, and its time in units of 2^16 ticks.
 * The longest time, 2^54 ticks, is some months; what is born later is as old as that.
 */
#ifndef GCI_PROFILE_AGE_H
#define GCI_PROFILE_AGE_H

#include "base/atomic.h"
#include "platform/cpu.h"
#include "profile/sites.h"

enum age_timing { AGE_UNTIMED, AGE_TIMED, AGE_TIMED_FOR_MANY };
#define AGE_TIMED_FIRST 64u /* of a row */
#define AGE_TIMED_EVERY 32u

#define AGE_TIMING_SHIFT SITE_NAME_BITS
#define AGE_TIMING_BITS 2u
#define AGE_TIME_SHIFT (AGE_TIMING_SHIFT + AGE_TIMING_BITS)
#define AGE_TIME_MAX ((UINT64_C(1) << (64 - AGE_TIME_SHIFT)) - 1)
#define AGE_UNIT_SHIFT 16u

/* Of the session that is on; set before the hooks are. */
struct age_clock {
    uint64_t start_ns;
    uint64_t start_ticks;
    volatile shared_word tick_ns_2_32; /* nanoseconds of a tick, times 2^32 */
    volatile shared_word young_units;  /* ages below are surely of the first class */
};
extern struct age_clock gci_age_clock HIDDEN;

/* A session begins. */
void gci_age_start(void);

/* Nanoseconds of a tick, times 2^32: learnt anew, and better the later. */
uint64_t gci_age_learn_pace(void);

/* Since the session's start. */
uint64_t gci_age_now_ns(void);
ALWAYS_INLINE uint64_t age_now_ticks(void)
{
    return gci_cpu_ticks() - gci_age_clock.start_ticks;
}

ALWAYS_INLINE uint64_t age_units(uint64_t ticks)
{
    uint64_t units = ticks >> AGE_UNIT_SHIFT;
    return units < AGE_TIME_MAX ? units : AGE_TIME_MAX;
}

/* An origin but for the name. */
ALWAYS_INLINE uint64_t age_birth(uint64_t ticks, enum age_timing timing)
{
    return age_units(ticks) << AGE_TIME_SHIFT | (uint64_t)timing << AGE_TIMING_SHIFT;
}

ALWAYS_INLINE enum age_timing age_timing(uint64_t origin)
{
    return (enum age_timing)(origin >> AGE_TIMING_SHIFT & ((1u << AGE_TIMING_BITS) - 1));
}

uint64_t gci_age_born_ns(uint64_t origin);

/* Indices of profile_figures.ages: of an age, and that of an origin at this moment. */
unsigned gci_age_class(uint64_t age_ns);
unsigned gci_age_class_now(uint64_t origin);

#endif
