/* SPDX-License-Identifier: MIT */
/* Implementation of alloc/budget.h. */
#include "alloc/budget.h"

static void set_distance(uint64_t distance)
{
    uint64_t budget = distance < BUDGET_MAX ? distance : BUDGET_MAX;
    gci_cache_self.reserve = distance - budget;
    gci_cache_self.budget = budget;
}

bool gci_budget_settle(size_t bytes)
{
    const struct sample_hooks *hooks = gci_sample_hooks;
    if (LIKELY(hooks == NULL)) {
        set_distance(BUDGET_MAX);
        return false;
    }
    if (budget_settle_none(hooks))
        return true;
    uint64_t distance = gci_cache_self.budget + bytes + gci_cache_self.reserve;
    uint32_t draw = u32_load(&gci_sample_draw);
    if (UNLIKELY(gci_cache_self.draw != draw)) {
        gci_cache_self.draw = draw;
        distance = hooks->distance();
    }
    if (distance > bytes) {
        set_distance(distance - bytes);
        return false;
    }
    set_distance(hooks->distance());
    return true;
}

void gci_budget_reset(void)
{
    set_distance(0);
}
