/* SPDX-License-Identifier: MIT */
/* Which module an address is of: the last one that was mapped there, as a range may have had several in turn. Found by a binary
 * search over pieces that each belong to one module.
 */
#ifndef GCI_CLI_MAPPED_H
#define GCI_CLI_MAPPED_H

#include "cli/profile/profile.h"

struct mapped {
    uint64_t *starts;  /* of pieces, sorted; each goes up to the next one */
    uint32_t *modules; /* of each, or PROFILE_NO_MODULE */
    size_t count;
};

void gci_mapped_make(struct mapped *mapped, const struct profile *profile);
uint32_t gci_mapped_find(const struct mapped *mapped, uint64_t address); /* or PROFILE_NO_MODULE */
void gci_mapped_forget(struct mapped *mapped);

#endif
