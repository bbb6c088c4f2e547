/* SPDX-License-Identifier: MIT */
/* Where keys lie in tables. The keys come from files that anybody may have made, so a hash depends on a number that is drawn anew
 * in each run: nobody can choose keys that all lie at one place. All bits of a hash are as good as any other.
 */
#ifndef GCI_CLI_HASH_H
#define GCI_CLI_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t gci_hash_number(uint64_t number);

/* Of several parts one after the other: `hash` is that of the parts before, 0 of the first. */
uint64_t gci_hash_bytes(uint64_t hash, const void *bytes, size_t length);
uint64_t gci_hash_text(uint64_t hash, const char *text); /* NULL is as "" */

#endif
