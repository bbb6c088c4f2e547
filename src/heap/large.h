/* SPDX-License-Identifier: MIT */
/* Runs of units that hold one large object each. Only the first unit has a descriptor, in state BLOCK_LARGE; the hot word of each
 * other one says how far in front of it that is. Callers are in a critical section, or stop the world.
 */
#ifndef GCI_HEAP_LARGE_H
#define GCI_HEAP_LARGE_H

#include "heap/cache.h"

/* A run for one large object; 0 where there is none. `usable` is what the user may touch. */
uint32_t gci_large_create(struct heap *heap, enum block_kind kind, size_t usable, size_t alignment, bool *is_clean);
void gci_large_destroy(struct heap *heap, uint32_t unit, enum unit_past past);

/* A large object that the program has freed, as its custody says already: goes on the shelf, or back to the region. */
void gci_large_shelve(struct heap *heap, struct cache *cache, uint32_t unit);

/* A run from the shelf, again in the program's hands; 0 where there is none that fits. Its contents are what the program left. */
uint32_t gci_large_unshelve(struct heap *heap, struct cache *cache, enum block_kind kind, size_t usable);

/* Gives back what is on the shelf: the owner, or whoever has stopped the world or retires the cache. */
void gci_large_clear_shelf(struct heap *heap, struct cache *cache);

/* A tick, on the owner's thread: gives back what has not been used since the last one, as idle for long enough.
 * False: nothing. */
bool gci_large_clear_idle(struct heap *heap, struct cache *cache);

/* Gives back one that the program has freed and that is on no shelf. */
void gci_large_give(struct heap *heap, uint32_t unit);

/* Changes the size in place. False, with nothing changed, where what follows is in use. *clean_from: usable bytes from
 * there on are known to be zero. *is_stale: what was added must be cleared (gci_region_is_stale). */
bool gci_large_resize(struct heap *heap, uint32_t unit, size_t usable, size_t *clean_from, bool *is_stale);

#endif
