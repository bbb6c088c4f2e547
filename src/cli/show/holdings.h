/* SPDX-License-Identifier: MIT */
/* What retains most: lists of objects and of sites, the largest first. For `gcalloc why`. */
#ifndef GCI_CLI_HOLDINGS_H
#define GCI_CLI_HOLDINGS_H

#include "cli/profile/retain.h"
#include "cli/profile/totals.h"

/* Everything that is known of a heap. */
struct heap {
    const struct profile *profile;
    struct retain retain;
    struct totals totals;
};

/* What objects of one site retain together. */
struct holding {
    uint64_t bytes, objects;
    uint32_t number; /* of a site, or of an object */
};

/* Each for free(). An object that another one of its site retains is counted there; doubtful are those that a doubtful word
 * leads to where no other does. */
struct holding *gci_holdings_of_objects(const struct heap *heap, size_t *count);
struct holding *gci_holdings_of_sites(const struct heap *heap, size_t *count);
struct holding *gci_holdings_doubtful(const struct heap *heap, size_t *count);

/* Where in the object its way comes in. */
uint32_t gci_holdings_entry(const struct heap *heap, uint32_t object);

#endif
