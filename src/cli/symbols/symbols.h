/* SPDX-License-Identifier: MIT */
/* Names for addresses: from DWARF where there is any, with inlined functions, else from symbol tables. Files are looked at one
 * after the other, and each only if it is the one that was mapped. What keeps a file from being used is said once.
 */
#ifndef GCI_CLI_SYMBOLS_H
#define GCI_CLI_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/base/memory.h"
#include "cli/symbols/frame.h"

/* Answers lookups that are sorted by module and address; frames and texts come from the pool. */
void gci_symbols_find(const struct profile_modules *modules, struct memory_pool *pool, struct symbol_lookup *lookups,
                      size_t count);

/* Functions that only hand on a request for memory. */
bool gci_symbols_is_allocator(const char *function, const char *module);

/* More folders to look for debug files in, separated by colons, beside those that gdb knows. */
void gci_symbols_look_in(const char *folders);

#endif
