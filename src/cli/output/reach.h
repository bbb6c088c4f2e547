/* SPDX-License-Identifier: MIT */
/* The objects of a profile with their edges in order, and what the roots do not reach. Of that, the least number of objects is
 * named from which all the rest of it can be reached: one for each group of objects that nothing else holds, be it a single
 * one, or a cycle.
 */
#ifndef GCI_CLI_REACH_H
#define GCI_CLI_REACH_H

#include "cli/profile/profile.h"

struct reach {
    const struct profile *profile;
    uint32_t count;  /* of objects */
    size_t *first;   /* by object: where its edges begin in `edges`; one more than there are objects */
    uint32_t *edges; /* numbers of the profile's edges, grouped by where they come from */
    uint32_t *heads; /* objects as above, in no order */
    size_t head_count;
    unsigned char *marks; /* the three below are for building */
    size_t *next;
    uint32_t *stack;
};

/* Edges and roots of objects that are not there are left out. */
void gci_reach_build(struct reach *reach, const struct profile *profile);
void gci_reach_forget(struct reach *reach);

#endif
