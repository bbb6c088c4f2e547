/* SPDX-License-Identifier: MIT */
/* Implementation of heap/sweep.h. */
#include "heap/sweep.h"

#include "base/assert.h"
#include "base/bits.h"
#include "heap/block.h"
#include "heap/cache.h"
#include "heap/large.h"
#include "heap/region.h"
#include "heap/release.h"
#include "heap/special/counted.h"
#include "heap/special/sample.h"
#include "platform/vm.h"

static uint64_t frozen_bits(const struct heap *heap, uint32_t unit, unsigned index)
{
    return unit < heap->frozen_units ? heap->frozen[unit][index] : 0;
}

bool gci_sweep_is_frozen(const struct heap *heap, uint32_t unit, uint32_t slot)
{
    return (frozen_bits(heap, unit, slot / BITS_PER_WORD) >> (slot % BITS_PER_WORD) & 1) != 0;
}

/* Whether the unit has objects to be scanned because they stay. */
static bool prepare_small(struct heap *heap, uint32_t unit)
{
    const struct size_class *size_class = block_class(heap, unit);
    bool is_root = hot_kind(heap->meta.hot[unit]) == KIND_UNCOLLECTABLE;
    bool has_frozen = false;
    for (unsigned i = 0; i < size_class->words; i++) {
        uint64_t not_allocated = block_free_bits(block_at(heap, unit), i) | ~block_valid_bits(size_class, i);
        if (UNLIKELY(block_at(heap, unit)->has_frozen))
            gci_sweep_forget_frozen(heap, unit, i);
        heap->meta.scan[unit][i] = not_allocated;
        heap->meta.mark[unit][i] = is_root ? ~UINT64_C(0) : not_allocated | frozen_bits(heap, unit, i);
        has_frozen |= (frozen_bits(heap, unit, i) & ~not_allocated) != 0;
    }
    return is_root || (has_frozen && hot_kind(heap->meta.hot[unit]) != KIND_ATOMIC);
}

static bool prepare_large(struct heap *heap, uint32_t unit)
{
    enum block_kind kind = hot_kind(heap->meta.hot[unit]);
    bool is_frozen = (frozen_bits(heap, unit, 0) & 1) != 0;
    heap->meta.scan[unit][0] = ~UINT64_C(1);
    heap->meta.mark[unit][0] = kind == KIND_UNCOLLECTABLE || is_frozen ? ~UINT64_C(0) : ~UINT64_C(1);
    return kind == KIND_UNCOLLECTABLE || (is_frozen && kind != KIND_ATOMIC);
}

void gci_sweep_unfreeze(struct heap *heap)
{
    heap->frozen_units = 0;
}

void gci_sweep_forget_frozen(struct heap *heap, uint32_t unit, unsigned index)
{
    if (unit < heap->frozen_units)
        heap->frozen[unit][index] &= ~block_free_bits(block_at(heap, unit), index);
}

static bool make_room_for_frozen(struct heap *heap)
{
    if (heap->frontier <= heap->frozen_capacity)
        return true;
    uint64_t(*frozen)[BITMAP_WORDS] = gci_heap_take_meta(heap, heap->frontier * sizeof *frozen);
    if (frozen == NULL)
        return false;
    heap->frozen = frozen;
    heap->frozen_capacity = heap->frontier;
    return true;
}

/* Marks of what is free are set too, and mean nothing. */
bool gci_sweep_freeze(struct heap *heap)
{
    if (!make_room_for_frozen(heap))
        return false;
    for (uint32_t unit = 0; unit < heap->frontier; unit++) {
        uint8_t use = heap->meta.hot[unit].use;
        for (unsigned i = 0; i < BITMAP_WORDS; i++) {
            uint64_t free_bits = use == UNIT_SMALL ? block_free_bits(block_at(heap, unit), i) : 0;
            bool is_used = use == UNIT_SMALL || use == UNIT_LARGE;
            heap->frozen[unit][i] = is_used ? heap->meta.mark[unit][i] & ~free_bits : 0;
        }
        if (use == UNIT_SMALL)
            block_at(heap, unit)->has_frozen = true;
    }
    heap->frozen_units = heap->frontier;
    return true;
}

/* What the program has freed is no object. */
static void clear_shelves(struct heap *heap)
{
    for (uint32_t id = 1; id <= u32_load_acquire(&heap->cache_count); id++)
        gci_large_clear_shelf(heap, heap->caches[id]);
}

void gci_sweep_prepare(struct heap *heap, void (*uncollectable)(uint32_t unit, void *data), void *data)
{
    clear_shelves(heap);
    for (uint32_t unit = 1; unit < heap->frontier; unit++) {
        struct hot hot = heap->meta.hot[unit];
        bool has_roots = false;
        if (hot.use == UNIT_SMALL)
            has_roots = prepare_small(heap, unit);
        else if (hot.use == UNIT_LARGE)
            has_roots = prepare_large(heap, unit);
        else
            continue;
        u32_store(&heap->meta.queued[unit], 0);
        block_at(heap, unit)->has_reclaimed = false; /* `scan` serves the marker now */
        if (has_roots)
            uncollectable(unit, data);
    }
}

static struct owned_blocks *owner_lists(const struct heap *heap, uint32_t unit)
{
    struct hot hot = heap->meta.hot[unit];
    struct cache *cache = gci_cache_by_id(heap, block_owner(block_at(heap, unit)));
    return cache != NULL ? &cache->owned[hot_kind(hot)][hot_class(hot)] : NULL;
}

static struct unit_list *list_of(struct heap *heap, uint32_t unit)
{
    struct owned_blocks *owned = owner_lists(heap, unit);
    switch ((enum block_state)block_at(heap, unit)->state) {
    case BLOCK_AVAILABLE:
        return &owned->available;
    case BLOCK_FULL:
        return &owned->full;
    case BLOCK_ABANDONED:
        return gci_block_abandoned_list(heap, unit);
    default:
        return NULL;
    }
}

static void move_to(struct heap *heap, uint32_t unit, struct unit_list *from, struct unit_list *to,
                    enum block_state state)
{
    if (from != NULL)
        unit_list_remove(heap, from, unit);
    block_at(heap, unit)->state = (uint8_t)state;
    unit_list_push_tail(heap, to, unit);
}

/* The world is stopped: no remote free can come between the count and the arming. */
static void rearm(struct heap *heap, uint32_t unit, uint32_t free_slots)
{
    struct block *block = block_at(heap, unit);
    uint32_t slots = block_class(heap, unit)->slots;
    uint32_t threshold = block_class(heap, unit)->worth;
    bool waits_to_be_used = block->state == BLOCK_FULL || block->state == BLOCK_ABANDONED_FULL;
    uint32_t missing = (waits_to_be_used && free_slots < threshold ? threshold : slots) - free_slots;
    gci_block_arm(block, missing);
    if (missing == 0) /* a free is half done; 0 would tell a free that it is the one waited for */
        block->countdown = COUNTDOWN_OFF;
    u32_store(&block->remote_wake, u32_load(&block->remote_count) + missing); /* nothing was folded here */
}

/* Finds the block its place after slots were freed. Current blocks stay; one that was woken is no longer listed as such. */
static void relist(struct heap *heap, uint32_t unit, uint32_t free_slots)
{
    struct block *block = block_at(heap, unit);
    uint32_t slots = block_class(heap, unit)->slots;
    if (block->state == BLOCK_CURRENT) {
        u32_store(&block->remote_wake, block_class(heap, unit)->worth);
        return;
    }
    struct unit_list *list = list_of(heap, unit);
    if (free_slots == slots && gci_block_is_settled(heap, unit)) {
        if (list != NULL)
            unit_list_remove(heap, list, unit);
        if (block->is_kept)
            cache_unkeep(gci_cache_by_id(heap, block_owner(block)), block);
        gci_block_destroy(heap, unit, block->has_reclaimed ? PAST_RECLAIMED : PAST_FREED);
        return;
    }
    if (free_slots >= block_class(heap, unit)->worth) {
        if (block->state == BLOCK_FULL)
            move_to(heap, unit, list, &owner_lists(heap, unit)->available, BLOCK_AVAILABLE);
        else if (block->state == BLOCK_ABANDONED_FULL)
            move_to(heap, unit, NULL, gci_block_abandoned_list(heap, unit), BLOCK_ABANDONED);
    }
    rearm(heap, unit, free_slots);
}

static uint64_t dead_bits(const struct heap *heap, uint32_t unit, unsigned index)
{
    /* A slot of the window's word may just be on its way to a thread that has not formed its address yet. */
    if (block_at(heap, unit)->window_word == index)
        return 0;
    return ~heap->meta.mark[unit][index];
}

/* The marker follows what a header names (heap/special/counted.h). */
static NOINLINE void free_headers(const struct heap *heap, uint32_t unit, unsigned index, uint64_t dead)
{
    uint32_t bytes = block_class(heap, unit)->bytes;
    for (; dead != 0; dead &= dead - 1)
        counted_set_freed((struct counted *)(unit_address(heap, unit) + // NOLINT(performance-no-int-to-ptr)
                                             ((uintptr_t)index * BITS_PER_WORD + lowest_bit(dead)) * bytes));
}

static void sweep_small(struct heap *heap, uint32_t unit, bool free_dead, struct census *census)
{
    const struct size_class *size_class = block_class(heap, unit);
    enum block_kind kind = hot_kind(heap->meta.hot[unit]);
    uint32_t dead_slots = 0;
    uint32_t free_slots = 0;
    for (unsigned i = 0; i < size_class->words; i++) {
        uint64_t dead = dead_bits(heap, unit, i);
        dead_slots += count_bits(dead);
        if (free_dead) {
            block_at(heap, unit)->free[i] |= dead;
            heap->meta.scan[unit][i] = dead;
            if (UNLIKELY(kind == KIND_HEADED))
                free_headers(heap, unit, i, dead);
            if (UNLIKELY(block_at(heap, unit)->is_sampled))
                gci_sample_take_word(heap, unit, i, dead, SAMPLE_RECLAIMED);
        }
        free_slots += count_bits(block_free_bits(block_at(heap, unit), i));
    }
    uint64_t live = size_class->slots - free_slots - (free_dead ? 0 : dead_slots);
    census->live_objects += live;
    census->live_bytes += live * size_class->bytes;
    census->live_scanned_bytes += kind == KIND_ATOMIC ? 0 : live * size_class->bytes;
    census->freed_objects += dead_slots;
    census->freed_bytes += (uint64_t)dead_slots * size_class->bytes;
    block_at(heap, unit)->has_reclaimed = free_dead && dead_slots > 0;
    if (free_dead && dead_slots > 0)
        gci_release_mark_block(heap, unit);
    if (free_dead)
        relist(heap, unit, free_slots);
}

static void sweep_large(struct heap *heap, uint32_t unit, bool free_dead, struct census *census)
{
    uint64_t bytes = block_at(heap, unit)->usable_bytes;
    if (heap->meta.mark[unit][0] & 1) {
        census->live_objects++;
        census->live_bytes += bytes;
        census->live_scanned_bytes += hot_kind(heap->meta.hot[unit]) == KIND_ATOMIC ? 0 : bytes;
        return;
    }
    census->freed_objects++;
    census->freed_bytes += bytes;
    if (free_dead && block_at(heap, unit)->is_sampled)
        gci_sample_take(heap, unit, 0, SAMPLE_RECLAIMED, true);
    if (free_dead)
        gci_large_destroy(heap, unit, PAST_RECLAIMED);
}

/* The sweep finds every block its place, also those that remote frees have woken. */
static void forget_woken(struct heap *heap)
{
    for (uint32_t id = 1; id <= u32_load_acquire(&heap->cache_count); id++)
        for (unsigned kind = 0; kind < KIND_COUNT; kind++)
            for (unsigned i = 0; i < CLASS_COUNT; i++)
                gci_cache_forget_woken(heap, &heap->caches[id]->owned[kind][i]);
}

struct census gci_sweep_run(struct heap *heap, bool free_dead)
{
    struct census census = {0};
    if (free_dead)
        forget_woken(heap);
    for (uint32_t unit = 1; unit < heap->frontier; unit++) {
        uint8_t use = heap->meta.hot[unit].use;
        if (use == UNIT_SMALL)
            sweep_small(heap, unit, free_dead, &census);
        else if (use == UNIT_LARGE)
            sweep_large(heap, unit, free_dead, &census);
    }
    return census;
}

/* Less, of heaps below 128 MiB, stays: each cycle would fault it in again, page by page, with the world stopped. */
#define FORGET_BYTES_MIN ((size_t)1 << 20)

static void forget(void *bitmaps, uint32_t units)
{
    size_t bytes = align_down(units * sizeof(uint64_t[BITMAP_WORDS]), gci_vm_page_bytes());
    if (bytes >= FORGET_BYTES_MIN)
        gci_vm_decommit(bitmaps, bytes);
}

void gci_sweep_forget(struct heap *heap, bool has_reclaimed)
{
    uint32_t units = heap->frontier; /* racy: what is new has not been marked */
    forget(heap->meta.mark, units);
    if (!has_reclaimed)
        forget(heap->meta.scan, units);
}
