/* SPDX-License-Identifier: MIT */
/* Half-open address ranges [lo, hi): what the layers hand to each other. */
#ifndef GCI_BASE_RANGE_H
#define GCI_BASE_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
    uintptr_t lo;
    uintptr_t hi;
};

static inline size_t range_bytes(struct range r)
{
    return r.hi > r.lo ? r.hi - r.lo : 0;
}

static inline bool range_contains(struct range r, uintptr_t address)
{
    return address - r.lo < r.hi - r.lo;
}

static inline bool range_overlaps(struct range a, struct range b)
{
    return a.lo < b.hi && b.lo < a.hi;
}

static inline struct range range_of(const void *start, size_t bytes)
{
    uintptr_t lo = (uintptr_t)start;
    return (struct range){lo, lo + bytes};
}

#endif
