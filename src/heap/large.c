/* SPDX-License-Identifier: MIT */
/* Implementation of heap/large.h. */
#include "heap/large.h"

#include "heap/region.h"
#include "heap/release.h"
#include "heap/special/counted.h"

static uint32_t units_for(size_t bytes)
{
    return (uint32_t)((bytes + BLOCK_BYTES - 1) >> BLOCK_SHIFT);
}

static bool fits_region(const struct heap *heap, size_t usable, size_t alignment)
{
    size_t limit = (size_t)heap->unit_limit << BLOCK_SHIFT;
    return usable <= limit && alignment <= limit;
}

static void set_rest(struct heap *heap, uint32_t unit, uint32_t from, uint32_t to)
{
    uint8_t class_kind = heap->meta.hot[unit].class_kind;
    for (uint32_t i = from; i < to; i++)
        heap->meta.hot[unit + i] = (struct hot){i, 0, class_kind, UNIT_LARGE_REST};
}

uint32_t gci_large_create(struct heap *heap, enum block_kind kind, size_t usable, size_t alignment, bool *is_clean)
{
    if (!fits_region(heap, usable, alignment))
        return 0;
    uint32_t count = units_for(usable);
    uint32_t units_aligned = alignment <= BLOCK_BYTES ? 1 : (uint32_t)(alignment >> BLOCK_SHIFT);
    if (!gci_region_touch(heap, usable))
        return 0;
    uint32_t unit = gci_region_take(heap, GROUP_LARGE, count, units_aligned, is_clean);
    if (unit == 0) {
        gci_region_untouch(heap, usable);
        return 0;
    }
    *block_at(heap, unit) = (struct block){.countdown = COUNTDOWN_OFF,
                                           .state = BLOCK_LARGE,
                                           .window_word = NO_WINDOW,
                                           .run_units = count,
                                           .is_stale = !*is_clean && gci_region_is_stale(heap, kind, 0, unit, count),
                                           .usable_bytes = usable};
    if (kind == KIND_HEADED && !*is_clean)
        counted_set_freed((struct counted *)unit_address(heap, unit)); // NOLINT(performance-no-int-to-ptr)
    heap->meta.hot[unit] = (struct hot){0, 0, class_kind_of(0, kind), UNIT_LARGE};
    set_rest(heap, unit, 1, count);
    return unit;
}

/* A fork may come while this thread waits for the region's lock: the child's collector then finds the object as it was. */
void gci_large_destroy(struct heap *heap, uint32_t unit, enum unit_past past)
{
    struct block *block = block_at(heap, unit);
    size_t usable = block->usable_bytes;
    block->state = BLOCK_NONE;
    gci_region_give(heap, unit, block->run_units, past);
    gci_region_untouch(heap, usable);
}

/* ---- The shelf ---------------------------------------------------------------------------------------------------- */

static uint32_t key_of(uint32_t units, enum block_kind kind)
{
    return (uint32_t)kind * SHELF_RUN_UNITS_MAX + units - 1;
}

static uint32_t unit_of_entry(uint32_t entry)
{
    return entry >> SHELF_KEY_BITS;
}

static uint32_t units_of_entry(uint32_t entry)
{
    return entry % SHELF_RUN_UNITS_MAX + 1;
}

static uint32_t change_units(struct shelf *shelf, uint32_t by)
{
    uint32_t units = u32_load(&shelf->units) + by;
    u32_store(&shelf->units, units);
    return units;
}

static uint32_t take_entry(struct shelf *shelf, uint32_t index)
{
    uint32_t entry = shelf->runs[index];
    shelf->count--;
    change_units(shelf, -units_of_entry(entry));
    for (uint32_t i = index; i < shelf->count; i++)
        shelf->runs[i] = shelf->runs[i + 1];
    return entry;
}

/* The state stays: so a child of fork gives back what is on its way from a shelf. */
void gci_large_give(struct heap *heap, uint32_t unit)
{
    gci_region_give(heap, unit, block_at(heap, unit)->run_units, PAST_FREED);
}

/* The oldest go first. False: so many units are more than may be kept. */
static bool make_room(struct heap *heap, struct cache *cache, uint32_t units)
{
    struct shelf *shelf = &cache->shelf;
    uint32_t limit = cache_kept_units_max(heap);
    limit -= cache->kept_blocks < limit ? cache->kept_blocks : limit;
    if (units > SHELF_RUN_UNITS_MAX || units > limit)
        return false;
    while (u32_load(&shelf->units) + units > limit || shelf->count == SHELF_RUNS)
        gci_large_give(heap, unit_of_entry(take_entry(shelf, 0)));
    return true;
}

/* What comes and goes is told of once. */
static NOINLINE void note_more(struct heap *heap, struct cache *cache)
{
    struct shelf *shelf = &cache->shelf;
    uint32_t units = u32_load(&shelf->units) - shelf->noted_units;
    shelf->noted_units += units;
    u32_store(&cache->may_release, 1);
    gci_release_note(heap, (size_t)units << BLOCK_SHIFT);
}

void gci_large_shelve(struct heap *heap, struct cache *cache, uint32_t unit)
{
    struct block *block = block_at(heap, unit);
    struct shelf *shelf = &cache->shelf;
    uint32_t units = block->run_units;
    block->state = BLOCK_SHELVED;
    gci_region_untouch(heap, block->usable_bytes);
    if (!make_room(heap, cache, units)) {
        gci_large_give(heap, unit);
        return;
    }
    shelf->is_fresh = true;
    shelf->runs[shelf->count++] = unit << SHELF_KEY_BITS | key_of(units, hot_kind(heap->meta.hot[unit]));
    if (change_units(shelf, units) > shelf->noted_units)
        note_more(heap, cache);
}

uint32_t gci_large_unshelve(struct heap *heap, struct cache *cache, enum block_kind kind, size_t usable)
{
    struct shelf *shelf = &cache->shelf;
    uint32_t index = shelf->count;
    if (usable > (size_t)SHELF_RUN_UNITS_MAX * BLOCK_BYTES)
        return 0;
    uint32_t key = key_of(units_for(usable), kind);
    while (index > 0 && shelf->runs[index - 1] % (1u << SHELF_KEY_BITS) != key)
        index--;
    if (index == 0 || !gci_region_touch(heap, usable))
        return 0;
    uint32_t unit = unit_of_entry(take_entry(shelf, index - 1));
    shelf->is_fresh = true;
    struct block *block = block_at(heap, unit);
    block->state = BLOCK_LARGE;
    block->usable_bytes = usable;
    block->is_stale = block->is_sampled = block->has_special = false;
    u32_store_release(&block->custody, OWNER_NONE);
    return unit;
}

void gci_large_clear_shelf(struct heap *heap, struct cache *cache)
{
    while (cache->shelf.count > 0)
        gci_large_give(heap, unit_of_entry(take_entry(&cache->shelf, cache->shelf.count - 1)));
    cache->shelf.noted_units = 0;
}

bool gci_large_clear_idle(struct heap *heap, struct cache *cache)
{
    struct shelf *shelf = &cache->shelf;
    bool is_idle = shelf->count > 0 && !shelf->is_fresh;
    shelf->is_fresh = false;
    while (is_idle && shelf->count > 0) {
        uint32_t unit = unit_of_entry(take_entry(shelf, shelf->count - 1));
        gci_region_give_idle(heap, unit, block_at(heap, unit)->run_units, PAST_FREED);
        shelf->noted_units = 0;
    }
    return is_idle;
}

/* ---- Size --------------------------------------------------------------------------------------------------------- */

bool gci_large_resize(struct heap *heap, uint32_t unit, size_t usable, size_t *clean_from, bool *is_stale)
{
    struct block *block = block_at(heap, unit);
    uint32_t old_units = block->run_units;
    bool is_clean = false;
    if (!fits_region(heap, usable, 0))
        return false;
    uint32_t count = units_for(usable);
    *clean_from = usable;
    *is_stale = false;
    if (usable > block->usable_bytes && !gci_region_touch(heap, usable - block->usable_bytes))
        return false;
    if (count > old_units) {
        if (!gci_region_extend(heap, unit + old_units, count - old_units, &is_clean)) {
            gci_region_untouch(heap, usable - block->usable_bytes);
            return false;
        }
        enum block_kind kind = hot_kind(heap->meta.hot[unit]);
        *is_stale = !is_clean && gci_region_is_stale(heap, kind, 0, unit + old_units, count - old_units);
        set_rest(heap, unit, old_units, count);
        if (is_clean)
            *clean_from = (size_t)old_units << BLOCK_SHIFT;
    } else if (count < old_units) {
        block->run_units = count;
        gci_region_give(heap, unit + count, old_units - count, PAST_FREED);
    }
    if (usable < block->usable_bytes)
        gci_region_untouch(heap, block->usable_bytes - usable);
    block->run_units = count;
    block->usable_bytes = usable;
    return true;
}
