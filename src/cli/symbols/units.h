/* SPDX-License-Identifier: MIT */
/* What DWARF says of addresses: functions, inlined ones included, files and lines. */
#ifndef GCI_CLI_UNITS_H
#define GCI_CLI_UNITS_H

#include "cli/base/memory.h"
#include "cli/symbols/frame.h"
#include "cli/symbols/image.h"

/* Answers lookups of one module, sorted by address, as far as there is DWARF. A frame whose function has no name there has
 * function NULL. `on_unit` is called before each unit, with how many lookups are done. */
void gci_units_find(const struct image *image, struct memory_pool *pool, struct symbol_lookup *lookups, size_t count,
                    void (*on_unit)(void *data, size_t done), void *data);

#endif
