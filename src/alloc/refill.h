/* SPDX-License-Identifier: MIT */
/* Where slots come from when a window is used up, and where blocks go when frees make them useful again. Everything
 * here runs in a critical section of the cache's owner.
 */
#ifndef GCI_ALLOC_REFILL_H
#define GCI_ALLOC_REFILL_H

#include "heap/cache.h"

enum refill_result {
    REFILL_DONE,        /* the window has a free slot */
    REFILL_NEEDS_CYCLE, /* only the region could serve, and it has grown enough for a collection */
    REFILL_NEEDS_MEMORY /* there is none */
};

/* The short way: moves the window to the next word of the current block that has been handed out from before and has a
 * free slot. False where there is none, or where more is to be looked at. Owner's thread, in or out of a critical
 * section: a stop at any of its instructions is harmless, as a block in use stays, and both words that the window may
 * be at have nothing to lose: one is empty, and what a sweep finds in the other was already free. */
bool gci_refill_window(struct heap *heap, struct cache *cache, enum block_kind kind, unsigned class_index);

/* Fills the window from the current block, the cache's own blocks with free slots, blocks that remote frees have woken,
 * abandoned ones, or a fresh block, in this order. With `may_collect`, a due collection comes before a fresh block. */
enum refill_result gci_refill(struct heap *heap, struct cache *cache, enum block_kind kind, unsigned class_index,
                              bool may_collect);

/* Where blocks have few slots: the owner has just freed a slot of a full block of its own. True: it is remembered for the
 * next request. False: the block has to be looked at. */
bool gci_refill_remember(struct heap *heap, struct cache *cache, uint32_t unit, uint32_t slot);

/* A slot that was remembered and still is free, now taken; NULL if there is none. Classes of few slots only. */
void *gci_refill_take_recent(struct heap *heap, struct cache *cache, enum block_kind kind, unsigned class_index);

/* The owner looks at a block whose countdown ended: lists it as available, or gives it back when it is empty. */
void gci_refill_look(struct heap *heap, struct cache *cache, uint32_t unit);

/* The owner looks at all that others have freed meanwhile, of classes too that it does not ask for any more. */
void gci_refill_look_at_all_woken(struct heap *heap, struct cache *cache);

/* A thread that is not the owner has freed enough slots of the block that somebody should look. */
void gci_refill_wake(struct heap *heap, uint32_t unit);

#endif
