/* SPDX-License-Identifier: MIT */
/* Bytes that requests may still take before somebody looks: what lets a profiler see each byte at no cost.
 *
 * The hot path has to tell large requests from small ones by a comparison anyway. Here it compares with what the calling thread
 * has left, and takes the bytes from it in the same instruction. Since that is never more than BUDGET_MAX, large requests
 * always find too little; small ones do once for each 32 KiB of requests, and are counted exactly then. The distance to the
 * thread's next sample is budget + reserve.
 *
 * States of `budget`: 1 to BUDGET_MAX, open. Anything else, spent: it is 0 because the thread is new or every request is
 * looked at, or has run below 0 (modulo 2^64) by the bytes of a request that is under way, and counting that request makes
 * it good. A signal handler that allocates more than 32 KiB in between, which no handler may, would pass as small.
 */
#ifndef GCI_ALLOC_BUDGET_H
#define GCI_ALLOC_BUDGET_H

#include "base/attributes.h"
#include "heap/cache.h"
#include "heap/special/sample.h"
#include "platform/cpu.h"

/* A request is small when it is less than what is left. */
#define BUDGET_MAX (SMALL_BYTES_MAX + 1)

/* Takes the bytes; true: there are not so many, and gci_budget_settle is to be called. */
ALWAYS_INLINE bool budget_spend(size_t bytes)
{
    return gci_cpu_spend(&gci_cache_self.budget, bytes);
}

/* The same for ways that leave all else to others: false, and nothing is taken, where there are not so many. */
ALWAYS_INLINE bool budget_take(size_t bytes)
{
    if (UNLIKELY(gci_cache_self.budget <= bytes))
        return false;
    gci_cache_self.budget -= bytes;
    return true;
}

/* Whether a small request that has come to a slow path has found too little. */
ALWAYS_INLINE bool budget_is_spent(void)
{
    return gci_cache_self.budget - 1 >= BUDGET_MAX;
}

/* What gci_budget_settle does where a profiler looks at each request; false, and nothing done, where none does. The hooks are
 * read once for each request: they may be others in the next instruction. */
ALWAYS_INLINE bool budget_settle_none(const struct sample_hooks *hooks)
{
    if (LIKELY(hooks == NULL) || hooks->distance != NULL)
        return false;
    gci_cache_self.reserve = 0;
    gci_cache_self.budget = 0;
    return true;
}

/* Counts the request that has spent the budget. True: it is a sample. */
bool gci_budget_settle(size_t bytes);

/* For requests that do not go through the hot path. */
ALWAYS_INLINE bool budget_count(size_t bytes)
{
    return UNLIKELY(budget_spend(bytes)) && gci_budget_settle(bytes);
}

/* The calling thread's next request is looked at: when a profile starts, and in a fork child. */
void gci_budget_reset(void);

#endif
