/* SPDX-License-Identifier: MIT */
/* Units of the region: take, give, release to the system. Callers are in a critical section. */
#ifndef GCI_HEAP_REGION_H
#define GCI_HEAP_REGION_H

#include "heap/heap.h"

/* A run of `count` units, its address a multiple of `alignment` units (a power of two). 0 where the limit, the region or
 * the system does not allow it. *is_clean: every byte of it is zero. `group_kind` is an enum block_kind for a block
 * (count is 1), GROUP_LARGE for runs. The hot words are the caller's to set. */
uint32_t gci_region_take(struct heap *heap, uint32_t group_kind, uint32_t count, uint32_t alignment, bool *is_clean);

/* Tries to add `count` units behind a run that ends before `end`. */
bool gci_region_extend(struct heap *heap, uint32_t end, uint32_t count, bool *is_clean);

/* Whether units just taken must be cleared before they become blocks of that kind with slots of so many granules, or, with 0, one
 * large object: what others have left there would mislead. For units that are not clean, before their hot words are set. */
bool gci_region_is_stale(const struct heap *heap, enum block_kind kind, uint16_t granules, uint32_t first,
                         uint32_t count);

/* Gives units back; their hot words become UNIT_FREE first. */
void gci_region_give(struct heap *heap, uint32_t first, uint32_t count, enum unit_past past);

/* The same for units that have been idle for as long as memory has to be before it goes back to the system. */
void gci_region_give_idle(struct heap *heap, uint32_t first, uint32_t count, enum unit_past past);

/* Returns memory of free units to the system, of groups to which none was given for `idle_ms`: at most `limit_bytes` and what
 * is left of a run. Returns the bytes released. */
size_t gci_region_release_some(struct heap *heap, uint32_t idle_ms, size_t limit_bytes);
size_t gci_region_release(struct heap *heap, uint32_t idle_ms);

/* What gci_region_release_some leaves because it has not been idle for so long. */
size_t gci_region_waiting_bytes(struct heap *heap, uint32_t idle_ms);

/* Units of the group that are free and have memory behind them. */
static inline uint32_t group_dirty_units(const struct group *group)
{
    return group->free_units & ~(group->clean_units & ~group->huge_units);
}

/* Whether memory may lie behind parts of the unit that were never used. */
bool gci_region_is_huge(const struct heap *heap, uint32_t unit);

/* A part of a group is about to be given back: no more huge pages for what is there now, or the kernel would fill the hole
 * again. */
void gci_region_end_huge(struct heap *heap);

/* Makes so many bytes usable that were never used, as far as the system gives them, for when it is not to be asked. */
void gci_region_grow_ahead(struct heap *heap, size_t bytes);

/* Makes the reservation fit into `address_space` bytes, as far as units in use allow: for programs that lower their
 * own limit. */
void gci_region_shrink(struct heap *heap, size_t address_space);

/* Counts memory that is about to be handed out for the first time; false, and nothing is counted, where that would pass
 * the heap limit. Any thread. */
bool gci_region_touch(struct heap *heap, size_t bytes);
void gci_region_untouch(struct heap *heap, size_t bytes);

ALWAYS_INLINE size_t region_used_bytes(const struct heap *heap)
{
    return (size_t)word_load(&heap->touched_bytes);
}

#endif
