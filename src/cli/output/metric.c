/* SPDX-License-Identifier: MIT */
#include "cli/output/metric.h"

#include <string.h>

#define OF_LEAK(member) METRIC_OF_LEAKS, offsetof(struct profile_leak, member)
#define OF_PEAK(member) METRIC_OF_PEAK, offsetof(struct profile_figures, member)
#define OF_LAST(member) METRIC_OF_LAST, offsetof(struct profile_figures, member)

const struct metric_kind gci_metric_kinds[METRIC_COUNT] = {
    [METRIC_LEAKED_OBJECTS] = {"leaked-objects", "leaked objects", "leaked_objects", false, OF_LEAK(objects)},
    [METRIC_LEAKED] = {"leaked", "leaked bytes", "leaked_space", true, OF_LEAK(bytes)},
    [METRIC_COLLECTED_OBJECTS] = {"collected-objects", "objects leaked and collected", "collected_objects", false,
                                  OF_LAST(reclaimed_objects)},
    [METRIC_COLLECTED] = {"collected", "bytes leaked and collected", "collected_space", true, OF_LAST(reclaimed_bytes)},
    [METRIC_TEMPORARY] = {"temporary", "temporary objects", "temporary_objects", false, OF_LAST(temporary_objects)},
    [METRIC_PEAK_OBJECTS] = {"peak-objects", "objects at the peak", "peak_objects", false, OF_PEAK(live_objects)},
    [METRIC_PEAK] = {"peak", "bytes at the peak", "peak_space", true, OF_PEAK(live_bytes)},
    [METRIC_ALLOCATIONS] = {"allocations", "allocations", "alloc_objects", false, OF_LAST(allocated_objects)},
    [METRIC_ALLOCATED] = {"allocated", "allocated bytes", "alloc_space", true, OF_LAST(allocated_bytes)},
    [METRIC_OBJECTS] = {"objects", "live objects", "inuse_objects", false, OF_LAST(live_objects)},
    [METRIC_LIVE] = {"live", "live bytes", "inuse_space", true, OF_LAST(live_bytes)},
};

enum metric gci_metric_of_name(const char *name)
{
    int metric = 0;
    while (metric < METRIC_COUNT && strcmp(gci_metric_kinds[metric].name, name) != 0)
        metric++;
    return (enum metric)metric;
}

static uint64_t figure_at(const void *figures, size_t offset)
{
    uint64_t figure;
    memcpy(&figure, (const char *)figures + offset, sizeof figure);
    return figure;
}

uint64_t gci_metric_of_figures(enum metric metric, const struct profile_figures *figures)
{
    return figure_at(figures, gci_metric_kinds[metric].offset);
}

uint64_t gci_metric_of_leak(const struct profile *profile, enum metric metric, const struct profile_leak *leak)
{
    if (leak->is_collected || !gci_profile_leak_counts(profile, leak))
        return 0;
    return figure_at(leak, gci_metric_kinds[metric].offset);
}

struct metric_rows gci_metric_rows(const struct profile *profile, enum metric_source source)
{
    const struct profile_moment_rows *moment = NULL;
    if (source == METRIC_OF_PEAK)
        moment = gci_profile_peak(profile);
    else if (source == METRIC_OF_LAST)
        moment = gci_profile_last(profile);
    return moment ? (struct metric_rows){moment->rows, moment->count} : (struct metric_rows){NULL, 0};
}

static void add_leaks(const struct profile *profile, enum metric metric, const uint32_t *place, uint64_t *sums)
{
    for (size_t i = 0; i < profile->leak_count; i++) {
        uint32_t stack = profile->leaks[i].stack;
        sums[place ? place[stack] : stack] += gci_metric_of_leak(profile, metric, &profile->leaks[i]);
    }
}

void gci_metric_add(const struct profile *profile, enum metric metric, const uint32_t *place, uint64_t *sums)
{
    struct metric_rows rows = gci_metric_rows(profile, gci_metric_kinds[metric].source);
    for (size_t i = 0; i < rows.count; i++) {
        uint32_t stack = rows.rows[i].stack;
        sums[place ? place[stack] : stack] += gci_metric_of_figures(metric, &rows.rows[i]);
    }
    if (gci_metric_kinds[metric].source == METRIC_OF_LEAKS)
        add_leaks(profile, metric, place, sums);
}
