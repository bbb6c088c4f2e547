/* SPDX-License-Identifier: MIT */
/* What the heap consists of, by type and by size: counted while the world is stopped, in memory of its own, which the caller
 * gives back. Callers are in no critical section.
 */
#ifndef GCI_COLLECT_CENSUS_H
#define GCI_COLLECT_CENSUS_H

#include <stddef.h>

#include "heap/resolve.h"

enum census_question { CENSUS_TYPES, CENSUS_SIZES };

/* `key` of types: the address of the type of counted objects, or CENSUS_KIND with the kind of the others; of sizes: usable bytes
 * of one object. */
struct census_row {
    uintptr_t key;
    uint64_t objects;
    uint64_t bytes;
};
enum census_kind {
    CENSUS_SCANNED = 1,
    CENSUS_ATOMIC,
    CENSUS_UNCOLLECTABLE,
    CENSUS_TYPED,
    CENSUS_UNNAMED,
    CENSUS_KINDS_END
};

struct census_answer {
    struct census_row *rows; /* types: by bytes, the largest first; sizes: by key, the smallest first */
    size_t count;
    size_t mapped_bytes;
};

/* 0, ENOMEM, EAGAIN. */
int gci_census_take(enum census_question question, struct census_answer *answer);
void gci_census_forget(struct census_answer *answer);

#endif
