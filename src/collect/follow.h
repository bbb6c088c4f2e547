/* SPDX-License-Identifier: MIT */
/* What lives because something else does: values of ephemerons whose key is marked, data of finalizers, immortal objects, and all
 * that these refer to.
 *
 * Records (heap/special/special.h) are looked at one after the other, and what they give is marked by the marker, which knows
 * nothing of records; then again, as it may have come to more keys. Most programs are done after two such rounds. A chain, where
 * each value leads to the next key, would take as many as it has links, so after some rounds the marking goes on here: object by
 * object, and for each the records that it has, which takes time in proportion to what is marked.
 *
 * World stopped, by one thread. For collect/bound.c and collect/leaks.c.
 */
#ifndef GCI_COLLECT_FOLLOW_H
#define GCI_COLLECT_FOLLOW_H

#include "heap/special/special.h"
#include "mark/mark.h"
#include "platform/pages.h"

/* Within gci_mark_begin and gci_mark_end, without helpers. */
struct follow {
    struct marking *marking;
    enum simd simd;
    const struct page_reader *pages;
    bool has_marked; /* something since it was last looked at */
    bool is_by_object;
};

/* Whether the object around the address is allocated and marked. */
bool gci_follow_is_marked(const struct follow *follow, uintptr_t address);

/* Marks the object around the address, and nothing beside it; with the next settling, what it refers to. */
void gci_follow_mark(struct follow *follow, uintptr_t address);

/* Marks what the object refers to. */
void gci_follow_words(struct follow *follow, struct object object);

/* All that follows from what is marked. */
void gci_follow_settle(struct follow *follow);

/* Where nothing more follows from what is marked: marks the object and all that follows from it, object by object. */
void gci_follow_from(struct marking *marking, struct object object);

#endif
