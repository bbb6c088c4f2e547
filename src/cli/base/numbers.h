/* SPDX-License-Identifier: MIT */
/* Numbers for keys of 64 bits, or of two halves: equal keys get the same number, counted from 0 in the order in which they first
 * came, so that what belongs to a key is an element of an array. A zeroed one is empty.
 */
#ifndef GCI_CLI_NUMBERS_H
#define GCI_CLI_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

#define NUMBERS_NONE UINT32_MAX

struct numbers {
    uint64_t *keys; /* by number */
    size_t room;
    uint32_t count;
    uint32_t *slots; /* number + 1, 0: empty; open addressing, at most half full */
    uint64_t mask;   /* of slots; 0: there are none yet */
};

static inline uint64_t numbers_pair(uint32_t high, uint32_t low)
{
    return high * UINT64_C(0x100000000) + low;
}

uint32_t gci_numbers_put(struct numbers *numbers, uint64_t key);
uint32_t gci_numbers_find(const struct numbers *numbers, uint64_t key); /* NUMBERS_NONE: it was not put */
void gci_numbers_forget(struct numbers *numbers);

#endif
