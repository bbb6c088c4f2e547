/* SPDX-License-Identifier: MIT */
/* Implementation of alloc/refill.h; the states are drawn in heap/block.h. */
#include "alloc/refill.h"

#include "base/assert.h"
#include "base/bits.h"
#include "collect/cycle.h"
#include "heap/block.h"
#include "heap/release.h"
#include "heap/special/sample.h"

static struct owned_blocks *lists_of(struct heap *heap, struct cache *cache, uint32_t unit)
{
    struct hot hot = heap->meta.hot[unit];
    return &cache->owned[hot_kind(hot)][hot_class(hot)];
}

/* Blocks of so many slots hardly ever become empty when one slot in a hundred lives. Somebody looks when they are half free,
 * or what they could give back would not be noted (heap/release.h). A look costs as much as some 30 frees. */
#define HALF_LOOK_SLOTS_MIN 256u

/* From here on somebody looks again when the block is half free, or empty. */
static void expect_more(struct block *block, const struct size_class *size_class, uint32_t free_slots)
{
    uint32_t half = size_class->slots / 2;
    bool waits_for_half = size_class->slots >= HALF_LOOK_SLOTS_MIN && free_slots < half;
    uint32_t missing = (waits_for_half ? half : size_class->slots) - free_slots;
    if (missing != 0)
        block_expect(block, missing, missing);
    else
        block_expect(block, COUNTDOWN_OFF, WAKE_NEVER);
}

/* The class lock keeps a late wake-up off: see gci_block_destroy. False if one has come already, or a free is half done. */
static bool destroy_empty(struct heap *heap, uint32_t unit)
{
    struct lock *lock = &heap->class_locks[hot_class(heap->meta.hot[unit])];
    gci_lock_acquire(lock);
    bool may_go = !block_at(heap, unit)->is_woken && gci_block_is_settled(heap, unit);
    if (may_go)
        gci_block_destroy(heap, unit, PAST_FREED);
    gci_lock_release(lock);
    return may_go;
}

static void list_available(struct heap *heap, struct owned_blocks *owned, uint32_t unit,
                           const struct size_class *size_class, uint32_t free_slots)
{
    block_at(heap, unit)->state = BLOCK_AVAILABLE;
    unit_list_push_tail(heap, &owned->available, unit);
    expect_more(block_at(heap, unit), size_class, free_slots);
    gci_release_note_block(heap, unit, free_slots);
}

/* A block whose words have all been handed out once. */
static void leave_used_up(struct heap *heap, struct owned_blocks *owned, uint32_t unit,
                          const struct size_class *size_class)
{
    struct block *block = block_at(heap, unit);
    uint32_t count = block_fold(heap, unit, size_class);
    if (count >= size_class->worth) {
        list_available(heap, owned, unit, size_class, count);
        return;
    }
    block->state = BLOCK_FULL;
    block->countdown = size_class->worth - count;
    unit_list_push_head(heap, &owned->full, unit);
}

/* A block with slots that may not be handed out, as they would pass the heap limit, and no others. The next free makes it
 * useful again. One that was taken in vain goes back at once. */
static void leave_at_limit(struct heap *heap, struct owned_blocks *owned, uint32_t unit,
                           const struct size_class *size_class)
{
    struct block *block = block_at(heap, unit);
    uint32_t count = gci_block_fold_all(heap, unit);
    block->state = BLOCK_FULL;
    if (count == size_class->slots && destroy_empty(heap, unit))
        return;
    if (gci_block_arm(block, 1))
        unit_list_push_head(heap, &owned->full, unit);
    else
        list_available(heap, owned, unit, size_class, gci_block_fold_all(heap, unit));
}

static void leave_current(struct heap *heap, struct cache *cache, enum block_kind kind, unsigned class_index,
                          bool is_at_limit)
{
    struct owned_blocks *owned = &cache->owned[kind][class_index];
    uint32_t unit = owned->current;
    gci_cache_close_window(cache, kind, class_index);
    owned->current = 0;
    block_at(heap, unit)->window_word = NO_WINDOW;
    if (is_at_limit)
        leave_at_limit(heap, owned, unit, &gci_size_classes[class_index]);
    else
        leave_used_up(heap, owned, unit, &gci_size_classes[class_index]);
}

static void make_current(struct heap *heap, struct owned_blocks *owned, uint32_t unit, uint32_t worth)
{
    struct block *block = block_at(heap, unit);
    block->state = BLOCK_CURRENT;
    block_expect(block, COUNTDOWN_OFF, worth);
    owned->current = unit;
}

/* Of each slot that is fetched ahead: what follows, the processor fetches by itself. */
#define FETCHED_BYTES_MAX 512u

/* Smaller ones lie so close that the processor sees the order in which they are written. */
#define FETCHED_SLOT_BYTES_MIN 64u

/* What the collector has reclaimed it has not touched, and has mostly left the caches; what a program frees is still there. A
 * window's slots are fetched together when it opens, or else each request waits for its own: two dozen sizes that are
 * written by turns look like no order to the processor. */
static NOINLINE void fetch_reclaimed(const struct heap *heap, uint32_t unit, unsigned index)
{
    size_t bytes = block_class(heap, unit)->bytes;
    size_t fetched = bytes < FETCHED_BYTES_MAX ? bytes : FETCHED_BYTES_MAX;
    char *start = (char *)unit_address(heap, unit); // NOLINT(performance-no-int-to-ptr)
    start += (size_t)index * BITS_PER_WORD * bytes;
    uint64_t slots = heap->meta.scan[unit][index] & block_at(heap, unit)->free[index];
    if (bytes < FETCHED_SLOT_BYTES_MIN)
        return;
    for (; slots != 0; slots &= ~(UINT64_C(1) << highest_bit(slots)))
        for (size_t at = 0; at < fetched; at += CACHE_LINE_BYTES)
            gci_cpu_prefetch(start + highest_bit(slots) * bytes + at);
}

/* The slots of the word get a new life: what was reclaimed is history. */
ALWAYS_INLINE void take_over_reclaimed(struct heap *heap, uint32_t unit, unsigned index)
{
    if (LIKELY(!block_at(heap, unit)->has_reclaimed))
        return;
    fetch_reclaimed(heap, unit, index);
    heap->meta.scan[unit][index] = 0;
}

/* Others may have freed a slot of the word at the same time as we did: see free.c. */
static void look_for_races(struct heap *heap, uint32_t unit, unsigned index)
{
    fence_full();
    if (LIKELY(!(u32_load(&block_at(heap, unit)->custody) & HAS_REMOTE)))
        return;
    critical_enter_brief(); /* no fork in a handler finds it half done */
    gci_block_fold_word(heap, unit, index);
    critical_leave_brief();
}

/* The word comes last: before, the window has nothing, so that not even a signal handler that allocates (none should)
 * gets a slot of the one word at an address of the other. */
static void set_window(struct heap *heap, struct window *window, uint32_t unit, unsigned index, size_t slot_bytes)
{
    struct block *block = block_at(heap, unit);
    char *start = (char *)unit_address(heap, unit); // NOLINT(performance-no-int-to-ptr)
    block->window_word = (uint8_t)index;
    window->base = start + (size_t)index * BITS_PER_WORD * slot_bytes;
    window->slot_bytes = slot_bytes;
    window->records = heap->samples == NULL ? NULL : sample_at(heap, unit, index * BITS_PER_WORD);
    __asm__ volatile("" : : : "memory");
    word_store(&window->word, (uintptr_t)&block->free[index]);
    look_for_races(heap, unit, index);
    refill_forget_frozen(heap, unit, index);
    release_reopen(block, index, slot_bytes);
}

/* Last word of the block in [from, to) with a free slot; NO_WINDOW if there is none. */
static unsigned find_word(struct heap *heap, uint32_t unit, unsigned from, unsigned to)
{
    while (to > from && gci_block_fold_word(heap, unit, to - 1) == 0)
        to--;
    return to > from ? to - 1 : NO_WINDOW;
}

/* Last word before `to` with a free slot, of those that have been handed out from before; NO_WINDOW if none has. */
static unsigned find_used_word(const struct block *block, unsigned to)
{
    while (to > block->unused_words && block->free[to - 1] == 0)
        to--;
    return to > block->unused_words ? to - 1 : NO_WINDOW;
}

/* Own frees into the current block since the last question: nobody waits for its countdown. */
static uint32_t take_frees(struct block *block)
{
    uint32_t frees = COUNTDOWN_OFF - block->countdown;
    block->countdown = COUNTDOWN_OFF;
    return frees;
}

/* Before slots that were never used come those that were freed, if they are a quarter: programs with few blocks stay on
 * few pages. */
#define RETURN_SHARE 4

static bool are_many(uint32_t frees, const struct block *block, unsigned words)
{
    return frees >= (words - block->unused_words) * BITS_PER_WORD / RETURN_SHARE;
}

/* Whether the word to come, the last before `to`, was never used although others have freed many slots behind it. */
static bool should_return(const struct block *block, unsigned to, unsigned words)
{
    int32_t freed = (int32_t)u32_load(&block->remote_count); /* may be below zero: see block_is_due */
    return to <= block->unused_words && freed > 0 && are_many((uint32_t)freed, block, words);
}

/* Words of the current block that may come next: those before the window's. That one too, where others have shut the window: else
 * it has no bits left. */
static unsigned words_to_come(const struct block *block)
{
    return block->window_word + (block->free[block->window_word] != 0 ? 1u : 0u);
}

/* Whether the current block has slots that only the heap limit keeps back. */
enum window_result { WINDOW_OPEN, WINDOW_AT_LIMIT, WINDOW_NONE };

static enum window_result open_window(struct heap *heap, struct cache *cache, enum block_kind kind,
                                      unsigned class_index)
{
    uint32_t unit = cache->owned[kind][class_index].current;
    if (unit == 0)
        return WINDOW_NONE;
    struct block *block = block_at(heap, unit);
    unsigned words = gci_size_classes[class_index].words;
    unsigned to = block->window_word == NO_WINDOW ? words : words_to_come(block);
    unsigned index = find_word(heap, unit, 0, should_return(block, to, words) ? words : to);
    if (index == NO_WINDOW)
        return WINDOW_NONE;
    if (!gci_block_touch_word(heap, unit, index))
        index = find_word(heap, unit, block->unused_words, words);
    if (index == NO_WINDOW)
        return WINDOW_AT_LIMIT;
    take_over_reclaimed(heap, unit, index);
    set_window(heap, &cache->windows[kind][class_index], unit, index, gci_size_classes[class_index].bytes);
    return WINDOW_OPEN;
}

bool gci_refill_window(struct heap *heap, struct cache *cache, enum block_kind kind, unsigned class_index)
{
    uint32_t unit = cache->owned[kind][class_index].current;
    struct block *block = block_at(heap, unit);
    if (unit == 0 || block->window_word == NO_WINDOW)
        return false;
    unsigned words = gci_size_classes[class_index].words;
    unsigned index = find_used_word(block, words_to_come(block));
    if (index == NO_WINDOW && are_many(take_frees(block), block, words))
        index = find_used_word(block, words);
    if (index == NO_WINDOW)
        return false;
    struct window *window = &cache->windows[kind][class_index];
    take_over_reclaimed(heap, unit, index);
    set_window(heap, window, unit, index, window->slot_bytes);
    return true;
}

/* ---- Where the next block comes from ------------------------------------------------------------------------------ */

static uint32_t take_available(struct heap *heap, struct cache *cache, struct owned_blocks *owned)
{
    uint32_t unit = owned->available.head;
    if (unit != 0) {
        unit_list_remove(heap, &owned->available, unit);
        cache_unkeep(cache, block_at(heap, unit));
    }
    return unit;
}

static uint32_t pop_woken(struct heap *heap, struct owned_blocks *owned, unsigned class_index)
{
    gci_lock_acquire(&heap->class_locks[class_index]);
    uint32_t unit = u32_load(&owned->woken);
    if (unit != 0) {
        u32_store(&owned->woken, block_at(heap, unit)->woken_next);
        block_at(heap, unit)->is_woken = false;
        u32_store(&block_at(heap, unit)->remote_wake, gci_size_classes[class_index].worth);
    }
    gci_lock_release(&heap->class_locks[class_index]);
    return unit;
}

/* One by one: a block that is looked at may be woken again at once, and then heads the list. */
static void look_at_woken(struct heap *heap, struct cache *cache, struct owned_blocks *owned, unsigned class_index)
{
    while (u32_load(&owned->woken) != 0) {
        uint32_t unit = pop_woken(heap, owned, class_index);
        if (unit != 0)
            gci_refill_look(heap, cache, unit);
    }
}

void gci_refill_look_at_all_woken(struct heap *heap, struct cache *cache)
{
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        for (unsigned i = 0; i < CLASS_COUNT; i++)
            look_at_woken(heap, cache, &cache->owned[kind][i], i);
}

static uint32_t adopt_abandoned(struct heap *heap, const struct cache *cache, enum block_kind kind,
                                unsigned class_index)
{
    struct unit_list *list =
        cache->flags == 0 ? &heap->abandoned[kind][class_index] : &heap->abandoned_sampled[kind][class_index];
    if (list->head == 0) /* a racy look: at worst a fresh block is taken */
        return 0;
    gci_lock_acquire(&heap->class_locks[class_index]);
    uint32_t unit = list->head;
    if (unit != 0) {
        unit_list_remove(heap, list, unit);
        block_at(heap, unit)->state = BLOCK_CURRENT;
        block_set_owner(block_at(heap, unit), cache->id);
    }
    gci_lock_release(&heap->class_locks[class_index]);
    return unit;
}

/* When there is no memory left: any block of ours with a single free slot among those that have been used before. */
static uint32_t take_from_full(struct heap *heap, struct owned_blocks *owned)
{
    for (uint32_t unit = owned->full.head; unit != 0; unit = block_at(heap, unit)->next) {
        if (gci_block_count_free(heap, unit, block_at(heap, unit)->unused_words) == 0)
            continue;
        unit_list_remove(heap, &owned->full, unit);
        return unit;
    }
    return 0;
}

static uint32_t take_new(struct heap *heap, struct cache *cache, enum block_kind kind, unsigned class_index)
{
    uint32_t unit = gci_block_create(heap, class_index, kind, cache->id | cache->flags);
    return unit != 0 ? unit : take_from_full(heap, &cache->owned[kind][class_index]);
}

static uint32_t next_block(struct heap *heap, struct cache *cache, enum block_kind kind, unsigned class_index)
{
    struct owned_blocks *owned = &cache->owned[kind][class_index];
    uint32_t unit = take_available(heap, cache, owned);
    if (unit == 0) {
        look_at_woken(heap, cache, owned, class_index);
        unit = take_available(heap, cache, owned);
    }
    if (unit == 0)
        unit = adopt_abandoned(heap, cache, kind, class_index);
    return unit;
}

enum refill_result gci_refill(struct heap *heap, struct cache *cache, enum block_kind kind, unsigned class_index,
                              bool may_collect)
{
    struct owned_blocks *owned = &cache->owned[kind][class_index];
    enum window_result result;
    bool is_at_limit = false;
    while ((result = open_window(heap, cache, kind, class_index)) != WINDOW_OPEN) {
        is_at_limit = is_at_limit || result == WINDOW_AT_LIMIT;
        if (owned->current != 0)
            leave_current(heap, cache, kind, class_index, is_at_limit);
        uint32_t unit = next_block(heap, cache, kind, class_index);
        if (unit == 0 && may_collect && gci_cycle_is_due(BLOCK_BYTES))
            return REFILL_NEEDS_CYCLE;
        if (unit == 0)
            unit = is_at_limit ? take_from_full(heap, owned) : take_new(heap, cache, kind, class_index);
        if (unit == 0)
            return REFILL_NEEDS_MEMORY;
        make_current(heap, owned, unit, gci_size_classes[class_index].worth);
    }
    return REFILL_DONE;
}

/* ---- Blocks that frees have made useful --------------------------------------------------------------------------- */

/* One empty block of each class is kept: the next refill would only take it again. */
static bool is_spare(const struct owned_blocks *owned, uint32_t unit)
{
    return owned->available.head == unit && owned->available.tail == unit;
}

/* More are where a block has few slots, and making it costs as much as some tens of requests. */
static bool may_keep(const struct heap *heap, const struct cache *cache, unsigned class_index)
{
    uint32_t limit = cache_kept_units_max(heap);
    return class_index >= CLASS_FEW_SLOTS && cache->kept_blocks < limit / KEPT_BLOCKS_SHARE &&
           cache->kept_blocks + u32_load(&cache->shelf.units) < limit;
}

static void keep(struct cache *cache, struct block *block)
{
    block->is_kept = true;
    cache->kept_blocks++;
}

/* A tick may have asked for the look long before the block is empty. */
static void expect_spare(struct heap *heap, uint32_t unit, uint32_t free_slots)
{
    expect_more(block_at(heap, unit), block_class(heap, unit), free_slots);
    gci_release_note_block(heap, unit, free_slots);
}

static void look_at_listed(struct heap *heap, struct cache *cache, struct owned_blocks *owned, uint32_t unit)
{
    struct block *block = block_at(heap, unit);
    const struct size_class *size_class = block_class(heap, unit);
    uint32_t count = block_fold(heap, unit, size_class);
    if (count < size_class->worth && block->state == BLOCK_FULL) {
        block->countdown = size_class->worth - count;
        return;
    }
    unit_list_remove(heap, block->state == BLOCK_FULL ? &owned->full : &owned->available, unit);
    cache_unkeep(cache, block); /* slots that are remembered are taken from kept blocks, too */
    block->state = BLOCK_AVAILABLE;
    bool is_empty = count == size_class->slots && owned->available.head != 0;
    if (is_empty && may_keep(heap, cache, hot_class(heap->meta.hot[unit])))
        keep(cache, block);
    else if (is_empty && destroy_empty(heap, unit))
        return;
    unit_list_push_head(heap, &owned->available, unit);
    expect_more(block, size_class, count);
    gci_release_note_block(heap, unit, count);
}

/* What others have freed into blocks that are not empty stays uncounted: those wait for it to be. */
static void give_empty_of(struct heap *heap, struct cache *cache, struct unit_list *available)
{
    uint32_t next;
    for (uint32_t unit = available->head; unit != 0; unit = next) {
        struct block *block = block_at(heap, unit);
        const struct size_class *size_class = block_class(heap, unit);
        next = block->next;
        if (gci_block_count_free(heap, unit, 0) != size_class->slots)
            continue;
        gci_block_fold_all(heap, unit);
        unit_list_remove(heap, available, unit);
        cache_unkeep(cache, block);
        if (destroy_empty(heap, unit))
            continue;
        unit_list_push_head(heap, available, unit);
        expect_more(block, size_class, size_class->slots);
    }
}

void gci_refill_give_empty(struct heap *heap, struct cache *cache)
{
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        for (unsigned i = 0; i < CLASS_COUNT; i++)
            give_empty_of(heap, cache, &cache->owned[kind][i].available);
}

void gci_refill_look(struct heap *heap, struct cache *cache, uint32_t unit)
{
    struct block *block = block_at(heap, unit);
    struct owned_blocks *owned = lists_of(heap, cache, unit);
    if (block->state == BLOCK_FULL || (block->state == BLOCK_AVAILABLE && !is_spare(owned, unit))) {
        look_at_listed(heap, cache, owned, unit);
    } else {
        uint32_t count = gci_block_fold_all(heap, unit);
        block->countdown = COUNTDOWN_OFF;
        if (block->state == BLOCK_AVAILABLE)
            expect_spare(heap, unit, count);
    }
}

/* ---- Remote frees ------------------------------------------------------------------------------------------------- */

static void wake_owned(struct heap *heap, uint32_t unit, struct cache *cache)
{
    struct block *block = block_at(heap, unit);
    struct owned_blocks *owned = lists_of(heap, cache, unit);
    u32_store(&block->remote_wake, WAKE_NEVER);
    if (block->is_woken)
        return;
    block->is_woken = true;
    block->woken_next = u32_load(&owned->woken);
    u32_store(&owned->woken, unit);
    u32_store(&cache->may_release, 1);
    gci_release_note(heap, (size_t)block_class(heap, unit)->worth * block_class(heap, unit)->bytes);
}

static void wake_abandoned(struct heap *heap, uint32_t unit)
{
    if (block_at(heap, unit)->state == BLOCK_ABANDONED)
        unit_list_remove(heap, gci_block_abandoned_list(heap, unit), unit);
    gci_cache_abandon_block(heap, unit);
}

static bool is_still_due(const struct heap *heap, uint32_t unit)
{
    const struct block *block = block_at(heap, unit);
    return block_is_due(block, u32_load(&block->remote_count));
}

/* The unit may be given back right now; whatever this returns, a class is in it. */
READS_RAW_MEMORY static NOINLINE struct hot peek_hot(const struct heap *heap, uint32_t unit)
{
    return heap->meta.hot[unit];
}

/* The hot word is read again under the lock of the class that it named: the block may have gone meanwhile. */
void gci_refill_wake(struct heap *heap, uint32_t unit)
{
    struct hot before = peek_hot(heap, unit);
    if (before.use != UNIT_SMALL)
        return;
    struct lock *lock = &heap->class_locks[hot_class(before)];
    gci_lock_acquire(lock);
    struct hot hot = heap->meta.hot[unit];
    if (hot.use == UNIT_SMALL && hot_class(hot) == hot_class(before) && is_still_due(heap, unit)) {
        struct cache *owner = gci_cache_by_id(heap, block_owner(block_at(heap, unit)));
        if (owner != NULL)
            wake_owned(heap, unit, owner);
        else
            wake_abandoned(heap, unit);
    }
    gci_lock_release(lock);
}
