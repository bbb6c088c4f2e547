/* SPDX-License-Identifier: MIT */
/* What a collection does about objects that are more than memory (heap/special/): hides weak links from the marker, follows
 * what only lives because something else does (ephemerons, typed objects, data of finalizers), and sets aside what has to be
 * told of its end before its memory goes.
 *
 * World stopped, except for gci_bound_take_*.
 */
#ifndef GCI_COLLECT_BOUND_H
#define GCI_COLLECT_BOUND_H

#include "heap/special/counted.h"
#include "heap/special/special.h"
#include "mark/mark.h"
#include "platform/pages.h"

/* A finalizer that is due. Kept in our memory; object and data are roots until it has run. */
struct due_finalizer {
    uintptr_t object; /* as the program knows it */
    void (*run)(void *object, void *data);
    void *data;
};

/* Something is due; read by everybody as a hint. */
extern volatile u32_shared gci_bound_is_due HIDDEN;

/* Before the roots are marked: weak slots hold nothing from here to the end of the next, and no thread names an object busy
 * (alloc/counts/count.h), which the name would keep. */
void gci_bound_hide(struct heap *heap);

/* Objects that this collection has set aside for their finalizers and destroy functions, and unreachable ones whose finalizers
 * have to wait for those of others. */
struct bound_figures {
    uint64_t due;
    uint64_t waiting;
};

/* After everything reachable from the roots is marked. With `frees`, what is unreachable and has to be told is set aside and
 * marked, and weak references to what goes are cleared. */
struct bound_figures gci_bound_resolve(struct marking *marking, enum simd simd, const struct page_reader *pages,
                                       bool frees);

/* The marking was given up: only makes the weak slots what they were. */
void gci_bound_show(void);

/* For markings that come later in the same stopped world, weak slots hidden: no record has been followed yet; what follows from
 * what is marked is marked too. Whether some record may still follow once more is marked. */
void gci_bound_begin_again(void);
bool gci_bound_follow(struct marking *marking, enum simd simd, const struct page_reader *pages);

/* Addresses in what waits to be told of its end, and in what it needs for that. */
void gci_bound_each_due(const struct heap *heap, void (*visit)(uintptr_t address, void *data), void *data);

/* Counted objects, by `link`. */
struct counted_list {
    struct counted *first;
    struct counted *last;
};

/* Unreachable counted objects: all destroy functions are called before the memory of any goes. */
struct batch {
    struct counted_list waiting;   /* state BATCH, or BATCH_DESTROYED where the thread that took it was lost */
    struct counted_list destroyed; /* state BATCH_DESTROYED */
};

void gci_bound_list_put(struct counted_list *list, struct counted *counted); /* in front */
struct counted *gci_bound_list_take(struct counted_list *list);              /* the first, or NULL */

/* Takes out one that is due, or all counted objects that are; the caller's frame is what keeps them from then on. Where it is
 * lost, with its thread or by a fork, the next collection finds them again. Critical section. */
bool gci_bound_take_finalizer(struct due_finalizer *due);
bool gci_bound_take_batch(struct batch *batch);

/* What is left of it, for any thread to go on with. Critical section. */
void gci_bound_give_batch(const struct heap *heap, struct batch *batch);

void gci_bound_reset_lock(void); /* fork child */
void gci_bound_lock(void);
void gci_bound_unlock(void);

#endif
