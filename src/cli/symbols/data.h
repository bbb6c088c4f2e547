/* SPDX-License-Identifier: MIT */
/* Names of static data. */
#ifndef GCI_CLI_DATA_H
#define GCI_CLI_DATA_H

#include "cli/symbols/frame.h"

struct data_name {
    char symbol[256]; /* "" where it has no name */
    uint64_t offset;  /* in the symbol, or in the module as it lies in memory */
    uint32_t module;  /* or PROFILE_NO_MODULE */
};

/* What lies at the address: of a module whose code is mapped in front of it. */
void gci_data_find(struct data_name *name, const struct profile_modules *modules, uint64_t address);

#endif
