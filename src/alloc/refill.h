/* SPDX-License-Identifier: MIT */
/* Where slots come from when a window is used up, and where blocks go when frees make them useful again. Everything
 * here runs in a critical section of the cache's owner.
 */
#ifndef GCI_ALLOC_REFILL_H
#define GCI_ALLOC_REFILL_H

#include "heap/cache.h"
#include "heap/release.h"
#include "heap/sweep.h"
#include "world/critical.h"

enum refill_result {
    REFILL_DONE,        /* the window has a free slot */
    REFILL_NEEDS_CYCLE, /* only the region could serve, and it has grown enough for a collection */
    REFILL_NEEDS_MEMORY /* there is none */
};

/* The short way: moves the window to the next word of the current block that has been handed out from before and has a
 * free slot. False where there is none, or where more is to be looked at. Owner's thread, in or out of a critical
 * section: a stop at any of its instructions is harmless, as a block in use stays, and both words that the window may
 * be at have nothing to lose: one is empty, and what a sweep finds in the other was already free. A window that others have
 * shut opens on the same word again. */
bool gci_refill_window(struct heap *heap, struct cache *cache, enum block_kind kind, unsigned class_index);

/* Fills the window from the current block, the cache's own blocks with free slots, blocks that remote frees have woken,
 * abandoned ones, or a fresh block, in this order. With `may_collect`, a due collection comes before a fresh block. */
enum refill_result gci_refill(struct heap *heap, struct cache *cache, enum block_kind kind, unsigned class_index,
                              bool may_collect);

/* The owner looks at a block whose countdown ended: lists it as available, or gives it back when it is empty. */
void gci_refill_look(struct heap *heap, struct cache *cache, uint32_t unit);

/* The owner looks at all that others have freed meanwhile, of classes too that it does not ask for any more. */
void gci_refill_look_at_all_woken(struct heap *heap, struct cache *cache);

/* Blocks of the cache that are wholly free go back, for want of memory: those that are kept, too. */
void gci_refill_give_empty(struct heap *heap, struct cache *cache);

/* A thread that is not the owner has freed enough slots of the block that somebody should look. */
void gci_refill_wake(struct heap *heap, uint32_t unit);

/* ---- Slots freed last, where blocks have few ---------------------------------------------------------------------- */

/* The slots of the word get a new life: what was reclaimed is history. */
ALWAYS_INLINE void refill_forget_reclaimed(struct heap *heap, uint32_t unit, unsigned index)
{
    if (UNLIKELY(block_at(heap, unit)->has_reclaimed))
        heap->meta.scan[unit][index] = 0;
}

/* The same: what was frozen has been freed. Not while something is frozen. */
ALWAYS_INLINE void refill_forget_frozen(struct heap *heap, uint32_t unit, unsigned index)
{
    if (LIKELY(!block_at(heap, unit)->has_frozen))
        return;
    critical_enter_brief();
    gci_sweep_forget_frozen(heap, unit, index);
    critical_leave_brief();
}

ALWAYS_INLINE struct recent *refill_recent(struct cache *cache, enum block_kind kind, unsigned class_index)
{
    return &cache->recent[kind][class_index - CLASS_FEW_SLOTS];
}

/* The owner has just freed a slot of a full block of its own. True: it is remembered for the next request. False: the block
 * has to be looked at. One that is wholly free is not kept for the sake of a hint. */
ALWAYS_INLINE bool refill_remember(struct heap *heap, struct cache *cache, uint32_t unit, uint32_t slot)
{
    struct hot hot = heap->meta.hot[unit];
    struct block *block = block_at(heap, unit);
    if (hot_class(hot) < CLASS_FEW_SLOTS || block->state != BLOCK_FULL)
        return false;
    struct recent *recent = refill_recent(cache, hot_kind(hot), hot_class(hot));
    if (recent->count == RECENT_SLOTS || block->free[0] == low_bits(gci_size_classes[hot_class(hot)].slots))
        return false;
    recent->slots[recent->count++] = unit << RECENT_SLOT_BITS | slot;
    block->countdown = 1;
    return true;
}

/* The unit may have become another block meanwhile, or the slot have been taken another way. */
ALWAYS_INLINE bool refill_is_still_free(const struct heap *heap, const struct cache *cache, uint32_t unit,
                                        uint32_t slot, uint8_t class_kind)
{
    struct hot hot = heap->meta.hot[unit];
    return hot.use == UNIT_SMALL && hot.class_kind == class_kind && block_owner(block_at(heap, unit)) == cache->id &&
           (block_at(heap, unit)->free[0] >> slot & 1);
}

/* The slot is free, as its owner has freed it: at the same time somebody else has as well. */
ALWAYS_INLINE bool refill_is_freed_by_others(const struct heap *heap, uint32_t unit, uint32_t slot)
{
    const struct block *block = block_at(heap, unit);
    return UNLIKELY(u32_load(&block->custody) & HAS_REMOTE) && (word_load(&block->remote[0]) >> slot & 1);
}

/* A slot that was remembered and still is free, now taken; NULL if there is none. Classes of few slots only. */
ALWAYS_INLINE void *refill_take_recent(struct heap *heap, struct cache *cache, enum block_kind kind,
                                       unsigned class_index)
{
    struct recent *recent = refill_recent(cache, kind, class_index);
    while (recent->count > 0) {
        uint32_t entry = recent->slots[--recent->count];
        uint32_t unit = entry >> RECENT_SLOT_BITS;
        uint32_t slot = entry & ((1u << RECENT_SLOT_BITS) - 1);
        if (UNLIKELY(!refill_is_still_free(heap, cache, unit, slot, class_kind_of(class_index, kind))))
            continue;
        if (UNLIKELY(refill_is_freed_by_others(heap, unit, slot)))
            gci_block_fold_word(heap, unit, 0); /* which says that it is a double free */
        refill_forget_reclaimed(heap, unit, 0);
        refill_forget_frozen(heap, unit, 0);
        release_reopen(block_at(heap, unit), 0, gci_size_classes[class_index].bytes);
        block_at(heap, unit)->free[0] &= ~(UINT64_C(1) << slot);
        uintptr_t offset = (uintptr_t)slot * gci_size_classes[class_index].bytes;
        return (void *)(unit_address(heap, unit) + offset); // NOLINT(performance-no-int-to-ptr)
    }
    return NULL;
}

#endif
