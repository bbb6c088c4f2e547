/* SPDX-License-Identifier: MIT */
/* Implementation of heap/release.h. */
#include "heap/release.h"

#include "heap/cache.h"
#include "heap/large.h"
#include "heap/region.h"
#include "platform/vm.h"

/* What a system call costs besides its pages: about as much as five of them (1.4 and 0.27 us). */
#define CALL_COST_BYTES 20480u

/* A block that a tick has looked at is looked at again after this share of its slots has been freed. */
#define LOOK_SHARE 8

/* Who notes frees and finds them not worth a tick has looked at every unit: it looks again after as many more bytes for each
 * of them, which took far longer to free. */
#define NOTED_BYTES_PER_UNIT 1024u

/* ---- Which pages -------------------------------------------------------------------------------------------------- */

/* Pages are those of the system, or larger where a block has more of them than the mask has bits. */
static size_t page_bytes(void)
{
    size_t bytes = gci_vm_page_bytes();
    return bytes * PAGES_PER_BLOCK_MAX < BLOCK_BYTES ? BLOCK_BYTES / PAGES_PER_BLOCK_MAX : bytes;
}

static bool is_word_free(const struct heap *heap, uint32_t unit, unsigned index, uint64_t bits)
{
    return (~block_free_bits(block_at(heap, unit), index) & bits) == 0;
}

/* Whether the slots from `first` to `last` are all free. */
static bool are_slots_free(const struct heap *heap, uint32_t unit, uint32_t first, uint32_t last)
{
    for (uint32_t index = first / BITS_PER_WORD; index <= last / BITS_PER_WORD; index++) {
        uint64_t bits = ~UINT64_C(0);
        if (index == first / BITS_PER_WORD)
            bits &= ~low_bits(first % BITS_PER_WORD);
        if (index == last / BITS_PER_WORD)
            bits &= low_bits(last % BITS_PER_WORD + 1);
        if (!is_word_free(heap, unit, index, bits))
            return false;
    }
    return true;
}

/* First word of the bitmap whose slots may have memory. */
static unsigned first_word_in_use(const struct heap *heap, uint32_t unit)
{
    const struct block *block = block_at(heap, unit);
    return block->was_clean ? block->unused_words : 0;
}

uint32_t gci_release_free_pages(const struct heap *heap, uint32_t unit)
{
    const struct size_class *size_class = block_class(heap, unit);
    uint32_t page = (uint32_t)page_bytes();
    uint32_t start = first_word_in_use(heap, unit) * BITS_PER_WORD * size_class->bytes;
    uint32_t pages = 0;
    for (uint32_t i = start / page; (i + 1) * page <= BLOCK_BYTES; i++) {
        uint32_t first = slot_of_offset(i * page, size_class->reciprocal);
        uint32_t last = slot_of_offset((i + 1) * page - 1, size_class->reciprocal);
        if (last >= size_class->slots) /* what is left behind the last slot */
            last = size_class->slots - 1;
        if (are_slots_free(heap, unit, first, last))
            pages |= 1u << i;
    }
    return pages;
}

/* Pages that hold something of the word's slots. */
static uint32_t pages_of_word(unsigned index, size_t slot_bytes)
{
    size_t page = page_bytes();
    size_t word_bytes = BITS_PER_WORD * slot_bytes;
    size_t end = (index + 1) * word_bytes;
    unsigned first = (unsigned)(index * word_bytes / page);
    unsigned last = (unsigned)(((end < BLOCK_BYTES ? end : BLOCK_BYTES) - 1) / page);
    return (uint32_t)(low_bits(last + 1) & ~low_bits(first));
}

/* The owner's thread may be interrupted by a tick anywhere here, and marks that it sets may be lost: the next tick then drops
 * pages that are gone already. */
void gci_release_reopen(struct block *block, unsigned index, size_t slot_bytes)
{
    block->idle_since = IDLE_NOT;
    block->absent_pages &= (uint16_t)~pages_of_word(index, slot_bytes);
}

/* ---- Dropping ----------------------------------------------------------------------------------------------------- */

/* Marks the pages even where the system refuses: there is no use in asking again before they have been used. */
static void drop_run(struct heap *heap, uint32_t unit, unsigned first, unsigned count, struct release_work *work)
{
    size_t bytes = count * page_bytes();
    uintptr_t start = unit_address(heap, unit) + first * page_bytes();
    gci_region_end_huge(heap);
    if (gci_vm_decommit((void *)start, bytes) == 0) // NOLINT(performance-no-int-to-ptr)
        work->released_bytes += bytes;
    block_at(heap, unit)->absent_pages |= (uint16_t)(low_bits(count) << first);
    size_t cost = bytes + CALL_COST_BYTES;
    work->budget_bytes -= cost < work->budget_bytes ? cost : work->budget_bytes;
}

static void drop_pages(struct heap *heap, uint32_t unit, uint32_t pages, struct release_work *work)
{
    while (pages != 0 && work->budget_bytes != 0) {
        unsigned first = lowest_bit(pages);
        unsigned count = lowest_bit(~((uint64_t)pages >> first));
        drop_run(heap, unit, first, count, work);
        pages &= ~((uint32_t)low_bits(count) << first);
    }
    if (pages != 0)
        work->is_cut_short = true;
    else if (block_at(heap, unit)->state != BLOCK_CURRENT) /* nobody is told of frees into that */
        block_at(heap, unit)->idle_since = IDLE_SERVED;
}

/* A block that waits to be empty would be heard of no earlier. The owner may be in the middle of a free: the countdown that
 * it has read then overwrites this one, and a countdown of 0 is on its way to the slow path. */
static void expect_soon(struct block *block, const struct size_class *size_class)
{
    uint32_t soon = size_class->slots / LOOK_SHARE + 1;
    uint32_t wake = u32_load(&block->remote_wake);
    uint32_t wake_soon = u32_load(&block->remote_count) + soon;
    if (block->state == BLOCK_AVAILABLE && block->countdown != COUNTDOWN_OFF && block->countdown > soon)
        block->countdown = soon;
    if (block->state != BLOCK_CURRENT && wake != WAKE_NEVER && (int32_t)(wake - wake_soon) > 0)
        u32_store(&block->remote_wake, wake_soon);
}

/* Others still free into a woken block, and its owner does not hear of it again before it has looked. */
static bool needs_no_look(const struct block *block)
{
    return block->idle_since == IDLE_SERVED && u32_load(&block->remote_wake) != WAKE_NEVER;
}

/* Nobody knows which slots of a window were ever used: its pages go, but they are no reason for a tick. */
static uint32_t pages_of_window(const struct heap *heap, uint32_t unit)
{
    unsigned window = block_at(heap, unit)->window_word;
    return window == NO_WINDOW ? 0 : pages_of_word(window, block_class(heap, unit)->bytes);
}

static void release_block(struct heap *heap, uint32_t unit, struct release_work *work)
{
    struct block *block = block_at(heap, unit);
    if (needs_no_look(block))
        return;
    uint32_t pages = gci_release_free_pages(heap, unit) & ~(uint32_t)block->absent_pages;
    if (block->idle_since == IDLE_NOT)
        block->idle_since = work->tick;
    if (block->idle_since == work->tick)
        work->waiting_bytes += count_bits(pages & ~pages_of_window(heap, unit)) * page_bytes();
    else
        drop_pages(heap, unit, pages, work);
    expect_soon(block, block_class(heap, unit));
}

static void release_list(struct heap *heap, const struct unit_list *list, struct release_work *work)
{
    for (uint32_t unit = list->head; unit != 0 && !work->is_cut_short; unit = block_at(heap, unit)->next)
        release_block(heap, unit, work);
}

/* A full block of ours has less than a few free slots, unless others have freed some, or they are large and remembered. */
static void release_full(struct heap *heap, const struct unit_list *list, bool has_large_slots,
                         struct release_work *work)
{
    for (uint32_t unit = list->head; unit != 0 && !work->is_cut_short; unit = block_at(heap, unit)->next)
        if (has_large_slots || (u32_load(&block_at(heap, unit)->custody) & HAS_REMOTE))
            release_block(heap, unit, work);
}

static void release_owned(struct heap *heap, struct cache *cache, struct release_work *work)
{
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        for (unsigned i = 0; i < CLASS_COUNT; i++) {
            const struct owned_blocks *owned = &cache->owned[kind][i];
            if (owned->current != 0)
                release_block(heap, owned->current, work);
            release_list(heap, &owned->available, work);
            release_full(heap, &owned->full, i >= CLASS_FEW_SLOTS, work);
        }
}

void gci_release_cache(struct heap *heap, struct cache *cache, struct release_work *work)
{
    work->has_given_units = gci_large_clear_idle(heap, cache);
    work->waiting_bytes += (size_t)u32_load(&cache->shelf.units) << BLOCK_SHIFT;
    release_owned(heap, cache, work);
    if (cache->sampled != NULL)
        release_owned(heap, cache->sampled, work);
}

static uint32_t count_listed(struct heap *heap, const struct unit_list *list, unsigned class_index)
{
    uint32_t count = 0;
    gci_lock_acquire(&heap->class_locks[class_index]);
    for (uint32_t unit = list->head; unit != 0; unit = block_at(heap, unit)->next)
        count++;
    gci_lock_release(&heap->class_locks[class_index]);
    return count;
}

/* The list goes round once, and the lock is held for one block at a time. */
static void release_unowned(struct heap *heap, struct unit_list *list, unsigned class_index, struct release_work *work)
{
    if (list->head == 0) /* a racy look */
        return;
    for (uint32_t left = count_listed(heap, list, class_index); left != 0 && !work->is_cut_short; left--) {
        gci_lock_acquire(&heap->class_locks[class_index]);
        uint32_t unit = list->head;
        if (unit != 0) {
            unit_list_remove(heap, list, unit);
            unit_list_push_tail(heap, list, unit);
            release_block(heap, unit, work);
        }
        gci_lock_release(&heap->class_locks[class_index]);
    }
}

void gci_release_abandoned(struct heap *heap, struct release_work *work)
{
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        for (unsigned i = 0; i < CLASS_COUNT; i++) {
            release_unowned(heap, &heap->abandoned[kind][i], i, work);
            release_unowned(heap, &heap->abandoned_sampled[kind][i], i, work);
        }
}

/* ---- Whether it is worth it --------------------------------------------------------------------------------------- */

/* What is free in a block, not in a window and not known to be absent; a figure, read while others change it. */
static size_t free_bytes(const struct heap *heap, uint32_t unit)
{
    const struct block *block = block_at(heap, unit);
    if (needs_no_look(block))
        return 0;
    uint32_t slots = gci_block_count_free(heap, unit, first_word_in_use(heap, unit));
    uint32_t in_window = 0;
    if (block->window_word < BITMAP_WORDS)
        in_window = count_bits(block_free_bits(block, block->window_word));
    size_t not_counted =
        (size_t)in_window * block_class(heap, unit)->bytes + count_bits(block->absent_pages) * page_bytes();
    size_t bytes = (size_t)slots * block_class(heap, unit)->bytes;
    return bytes > not_counted ? bytes - not_counted : 0;
}

static size_t dirty_bytes(const struct group *group)
{
    return (size_t)count_bits(group_dirty_units(group)) << BLOCK_SHIFT;
}

static size_t shelved_bytes(const struct heap *heap)
{
    size_t units = 0;
    for (uint32_t id = 1; id <= u32_load_acquire(&heap->cache_count); id++)
        units += u32_load(&heap->caches[id]->shelf.units);
    return units << BLOCK_SHIFT;
}

static bool is_worth(const struct heap *heap)
{
    size_t bytes = shelved_bytes(heap);
    for (uint32_t i = 0; i < heap->frontier / UNITS_PER_GROUP && bytes < RELEASE_WORTH_BYTES; i++)
        bytes += dirty_bytes(&heap->meta.groups[i]);
    for (uint32_t unit = 1; unit < heap->frontier && bytes < RELEASE_WORTH_BYTES; unit++)
        if (heap->meta.hot[unit].use == UNIT_SMALL)
            bytes += free_bytes(heap, unit);
    return bytes >= RELEASE_WORTH_BYTES;
}

static COLD void look_whether_worth(struct heap *heap, uint64_t noted)
{
    if (heap->on_worth == NULL)
        return;
    word_store(&heap->note_limit, noted + RELEASE_WORTH_BYTES + (uint64_t)heap->frontier * NOTED_BYTES_PER_UNIT);
    if (is_worth(heap))
        heap->on_worth();
}

void gci_release_note(struct heap *heap, size_t bytes)
{
    uint64_t noted = word_add(&heap->noted_bytes, bytes) + bytes;
    if (UNLIKELY(noted >= word_load(&heap->note_limit)))
        look_whether_worth(heap, noted);
}

void gci_release_mark_block(struct heap *heap, uint32_t unit)
{
    struct block *block = block_at(heap, unit);
    struct cache *owner = gci_cache_by_id(heap, block_owner(block));
    block->idle_since = IDLE_NOT;
    if (owner != NULL)
        u32_store(&owner->may_release, 1);
}

void gci_release_note_block(struct heap *heap, uint32_t unit, uint32_t free_slots)
{
    gci_release_mark_block(heap, unit);
    gci_release_note(heap, (size_t)free_slots * block_class(heap, unit)->bytes);
}

void gci_release_watch(struct heap *heap, bool is_on)
{
    word_store(&heap->noted_bytes, 0);
    word_store(&heap->note_limit, is_on ? RELEASE_WORTH_BYTES : UINT64_MAX);
}
