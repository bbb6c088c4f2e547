/* SPDX-License-Identifier: MIT */
/* The heap of a profile as a graph: who keeps what. An object dominates another if every way from the roots to that one leads
 * through it; what it retains is itself and all that it dominates, which would go with it. What the roots do not reach is a
 * graph of its own beside it, that begins at the least number of objects from which all of it is reached.
 *
 * A word that points into an object at an odd place is doubtful: it may be a number that only looks like a pointer. Ways prefer
 * words that are not.
 */
#ifndef GCI_CLI_RETAIN_H
#define GCI_CLI_RETAIN_H

#include "cli/profile/profile.h"

#define RETAIN_NONE UINT32_MAX

struct retain {
    const struct profile *profile;
    uint32_t *dominator; /* by object: another object, or RETAIN_NONE: the roots, or nothing, directly */
    uint64_t *bytes;     /* by object: what it retains */
    uint32_t *objects;
    uint32_t *way;        /* by object: number of the edge by which the shortest way from a root or head comes in; */
    uint32_t *way_root;   /* without one, the number of the root; RETAIN_NONE for both: a head */
    unsigned char *marks; /* enum retain_mark, by object */
    uint64_t reachable_bytes, unreachable_bytes, doubtful_bytes;
    uint32_t reachable, unreachable, doubtful; /* objects */
};

enum retain_mark {
    RETAIN_REACHABLE = 1,
    RETAIN_HEAD = 2,     /* of what is not reachable */
    RETAIN_DOUBTFUL = 4, /* reachable by doubtful words alone, somewhere on the way */
    RETAIN_ROOTED = 8    /* a root points there */
};

void gci_retain_make(struct retain *retain, const struct profile *profile);
void gci_retain_forget(struct retain *retain);

bool gci_retain_is_doubtful(uint32_t to_offset);

/* The way to an object, outermost first: *count objects, for free(). */
uint32_t *gci_retain_way(const struct retain *retain, uint32_t object, size_t *count);

#endif
