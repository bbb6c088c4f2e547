/* SPDX-License-Identifier: MIT */
/* What a stack can be measured by: one figure of the last moment, of the peak, or of the leaks. */
#ifndef GCI_CLI_METRIC_H
#define GCI_CLI_METRIC_H

#include "cli/profile/profile.h"

/* In the order of the sample types of pprof, whose readers show the last one first. */
enum metric {
    METRIC_LEAKED_OBJECTS,
    METRIC_LEAKED,
    METRIC_COLLECTED_OBJECTS,
    METRIC_COLLECTED,
    METRIC_TEMPORARY,
    METRIC_PEAK_OBJECTS,
    METRIC_PEAK,
    METRIC_ALLOCATIONS,
    METRIC_ALLOCATED,
    METRIC_OBJECTS,
    METRIC_LIVE,
    METRIC_COUNT
};

enum metric_source { METRIC_OF_LEAKS, METRIC_OF_PEAK, METRIC_OF_LAST };

struct metric_kind {
    const char *name;  /* of --metric */
    const char *title; /* for people */
    const char *pprof; /* the sample type's name there */
    bool is_bytes;     /* else a number of objects */
    enum metric_source source;
    size_t offset; /* in struct profile_leak or struct profile_figures */
};

extern const struct metric_kind gci_metric_kinds[METRIC_COUNT];

/* The names of --metric: those that the help shows, and the others. */
#define METRIC_NAMES_USUAL "live|peak|allocated|objects|leaked|temporary"
#define METRIC_NAMES_MORE "collected|allocations|peak-objects|leaked-objects|collected-objects"

/* METRIC_COUNT: there is none of this name. */
enum metric gci_metric_of_name(const char *name);

uint64_t gci_metric_of_figures(enum metric metric, const struct profile_figures *figures);
/* 0 for what was collected, and for leaks of a look that was not the last. */
uint64_t gci_metric_of_leak(const struct profile *profile, enum metric metric, const struct profile_leak *leak);

/* The rows that metrics of one source are taken from; count 0 where there are none. Leaks have no rows. */
struct metric_rows {
    const struct profile_figures *rows;
    size_t count;
};
struct metric_rows gci_metric_rows(const struct profile *profile, enum metric_source source);

/* Adds the metric of each stack to the entry that `place` has for it (NULL: the stack's own number). */
void gci_metric_add(const struct profile *profile, enum metric metric, const uint32_t *place, uint64_t *sums);

#endif
