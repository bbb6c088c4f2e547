/* SPDX-License-Identifier: MIT */
/* Figures of a profile added up: by stack, and by site, which is the innermost function that a person would call the one that
 * allocates, with its file and line. Of the moment that reports show, of the peak, and of the leaks.
 */
#ifndef GCI_CLI_TOTALS_H
#define GCI_CLI_TOTALS_H

#include "cli/profile/profile.h"

enum total {
    TOTAL_LIVE,
    TOTAL_PEAK,
    TOTAL_ALLOCATED,
    TOTAL_LEAKED,    /* unreachable and still there */
    TOTAL_COLLECTED, /* was unreachable; given back by the collector */
    TOTAL_TEMPORARY, /* its bytes are estimated from the stack's mean size */
    TOTAL_COUNT
};

/* What people call them. */
struct total_kind {
    const char *name; /* for options and JSON */
    const char *title;
};
extern const struct total_kind gci_total_kinds[TOTAL_COUNT];

/* In the order of the enumeration. */
#define TOTAL_NAMES "live|peak|allocated|leaked|collected|temporary"

struct figure {
    uint64_t bytes, objects;
};

struct totals_row {
    struct figure figures[TOTAL_COUNT];
    uint64_t samples;
};

struct site {
    struct totals_row row;
    uint32_t frame;  /* index, or TOTALS_NO_FRAME: the stack is not known */
    uint32_t stacks; /* how many */
};

#define TOTALS_NO_FRAME UINT32_MAX

struct totals {
    struct totals_row all;
    struct totals_row
        *stacks; /* by number, as many as the profile has; those that read alike are with the first of them */
    struct totals_row *threads;
    struct site *sites;
    size_t site_count;
    uint32_t *site_of; /* by stack */
};

void gci_totals_make(struct totals *totals, const struct profile *profile);
void gci_totals_forget(struct totals *totals);

/* The frame that stands for a stack: the innermost that is neither an allocator's nor of C++'s library, if there is one. */
uint32_t gci_totals_frame(const struct profile *profile, uint32_t stack);

/* By stack: the first stack that reads the same, by functions, files and lines; for free(). */
uint32_t *gci_totals_alike(const struct profile *profile);

/* Numbers of the sites, or of the stacks of one site, with the largest of this total first; for free(). */
uint32_t *gci_totals_sort_sites(const struct totals *totals, enum total total, size_t *count);
uint32_t *gci_totals_sort_stacks(const struct totals *totals, const struct profile *profile, uint32_t site,
                                 enum total total, size_t *count);

#endif
