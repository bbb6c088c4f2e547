/* SPDX-License-Identifier: MIT */
/* What has leaked: every object that the program has not freed and that nothing reachable points to. Exact as far as roots are
 * known: a word that looks like a pointer hides a leak, and none is made up.
 *
 * A leaked object is direct if no other leaked one keeps it, and of each circle of them that nothing else leaked keeps, one is;
 * the rest is indirect. So freeing the direct ones, and what they own, frees all.
 *
 * How, in linear time. First, in the order of addresses, everything reachable from each leaked object that is not covered yet is
 * marked, and the object is a candidate. Then the same is done once more for the candidates alone, the last one first, and those
 * that are covered before their turn come are none. Argument: (1) each leaked object is reachable from a candidate. (2) No
 * candidate is reachable from an earlier one, which would have covered it. (3) So the second time, where later ones come first,
 * a candidate is covered before its turn exactly if another candidate reaches it: if that one has been covered itself, then by
 * one that reaches it, and so both. (4) If a leaked object reaches a candidate that is left, then so does the candidate which
 * reaches that object, which is thus the same one, and the two lie on a circle: what is left is kept by nothing but its own
 * circle. (5) A circle that nothing else keeps has a candidate, the first of it in order, and by (4) keeps it.
 *
 * Not told of: a slot that a thread was about to be given when it was stopped; what it held is looked at in no way.
 */
#ifndef GCI_COLLECT_LEAKS_H
#define GCI_COLLECT_LEAKS_H

#include "collect/cycle.h"
#include "heap/resolve.h"

/* World stopped, in the order of addresses. Nothing that it keeps may look like a pointer to the object. */
typedef void (*leak_fn)(const struct object *object, bool is_direct, void *data);

/* 0; ENOMEM; EAGAIN: threads could not be stopped. `caller` as in struct cycle_look. */
int gci_leaks_find(const struct roots_caller *caller, leak_fn visit, void *data);

#endif
