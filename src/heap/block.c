/* SPDX-License-Identifier: MIT */
/* Implementation of heap/block.h. */
#include "heap/block.h"

#include "base/assert.h"
#include "heap/region.h"
#include "heap/special/counted.h"
#include "heap/special/sample.h"
#include "platform/cpu.h"
#include "platform/env.h"

static void set_hot(struct heap *heap, uint32_t unit, struct hot hot)
{
    heap->meta.hot[unit] = hot;
}

uint32_t gci_block_create(struct heap *heap, unsigned class_index, enum block_kind kind, uint32_t owner)
{
    bool is_clean;
    uint32_t unit = gci_region_take(heap, kind, 1, 1, &is_clean);
    if (unit == 0)
        return 0;
    bool is_sampled = (owner & HAS_SAMPLES) != 0;
    if (is_sampled && !gci_sample_prepare(heap, unit)) {
        gci_region_give(heap, unit, 1, hot_past(heap->meta.hot[unit]));
        return 0;
    }
    const struct size_class *size_class = &gci_size_classes[class_index];
    uint16_t granules = (uint16_t)(size_class->bytes / GRANULE_BYTES);
    bool is_stale = !is_clean && gci_region_is_stale(heap, kind, granules, unit, 1);
    struct block *block = block_at(heap, unit);
    *block = (struct block){.custody = owner,
                            .countdown = COUNTDOWN_OFF,
                            .slots_bytes = size_class->slots * size_class->bytes,
                            .state = BLOCK_FULL,
                            .window_word = NO_WINDOW,
                            .is_sampled = is_sampled,
                            .unused_words = (uint8_t)size_class->words,
                            .past = (uint8_t)hot_past(heap->meta.hot[unit]),
                            .is_stale = is_stale,
                            .was_clean = is_clean && !gci_region_is_huge(heap, unit),
                            .remote_wake = size_class->worth};
    for (unsigned i = 0; i < size_class->words; i++)
        block->free[i] = block_valid_bits(size_class, i);
    set_hot(heap, unit, (struct hot){size_class->reciprocal, granules, class_kind_of(class_index, kind), UNIT_SMALL});
    return unit;
}

struct unit_list *gci_block_abandoned_list(struct heap *heap, uint32_t unit)
{
    struct hot hot = heap->meta.hot[unit];
    unsigned kind = hot_kind(hot);
    return block_at(heap, unit)->is_sampled ? &heap->abandoned_sampled[kind][hot_class(hot)]
                                            : &heap->abandoned[kind][hot_class(hot)];
}

static size_t word_bytes(const struct size_class *size_class, unsigned words)
{
    size_t slots = (size_t)words * BITS_PER_WORD;
    return (slots < size_class->slots ? slots : size_class->slots) * size_class->bytes;
}

/* Of slots that are handed out next. The marker follows what a header names (heap/special/counted.h). */
static NOINLINE void clear_stale(const struct heap *heap, uint32_t unit, size_t from, size_t to)
{
    uintptr_t start = unit_address(heap, unit);
    size_t slot_bytes = block_class(heap, unit)->bytes;
    if (hot_kind(heap->meta.hot[unit]) != KIND_HEADED)
        __builtin_memset((void *)(start + from), 0, to - from); // NOLINT(performance-no-int-to-ptr)
    else
        for (; from < to; from += slot_bytes)
            counted_set_freed((struct counted *)(start + from)); // NOLINT(performance-no-int-to-ptr)
}

/* Words are touched by so much memory at a time: what follows goes the short way of a refill (alloc/refill.c), and the kernel
 * gives memory by pages anyway. More would count for many threads what none of them has. */
#define TOUCH_BYTES 8192u

static bool touch_from(struct heap *heap, uint32_t unit, unsigned index)
{
    struct block *block = block_at(heap, unit);
    const struct size_class *size_class = block_class(heap, unit);
    size_t from = word_bytes(size_class, index);
    size_t to = word_bytes(size_class, block->unused_words);
    if (!gci_region_touch(heap, to - from))
        return false;
    if (UNLIKELY(block->is_stale))
        clear_stale(heap, unit, from, to);
    block->unused_words = (uint8_t)index;
    return true;
}

bool gci_block_touch_word(struct heap *heap, uint32_t unit, unsigned index)
{
    if (index >= block_at(heap, unit)->unused_words)
        return true;
    unsigned step = TOUCH_BYTES / (block_class(heap, unit)->bytes * BITS_PER_WORD);
    unsigned further = step > 1 && index >= step ? index + 1 - step : index;
    return touch_from(heap, unit, further) || (further != index && touch_from(heap, unit, index));
}

void gci_block_destroy(struct heap *heap, uint32_t unit, enum unit_past past)
{
    const struct size_class *size_class = block_class(heap, unit);
    size_t unused_bytes = word_bytes(size_class, block_at(heap, unit)->unused_words);
    gci_region_untouch(heap, word_bytes(size_class, size_class->words) - unused_bytes);
    if (block_at(heap, unit)->is_stale && unused_bytes != 0)
        heap->meta.hot[unit].granules = 0; /* what was to be cleared there is there still */
    block_at(heap, unit)->state = BLOCK_NONE;
    u32_store(&block_at(heap, unit)->custody, OWNER_NONE);
    gci_region_give(heap, unit, 1, past);
}

uint32_t gci_block_count_free(const struct heap *heap, uint32_t unit, unsigned first)
{
    uint32_t count = 0;
    for (unsigned i = first; i < block_class(heap, unit)->words; i++)
        count += count_bits(block_free_bits(block_at(heap, unit), i));
    return count;
}

static uint32_t count_remote(const struct heap *heap, uint32_t unit)
{
    uint32_t count = 0;
    unsigned words = block_class(heap, unit)->words;
    for (unsigned i = 0; i < words; i++)
        count += count_bits(word_load(&block_at(heap, unit)->remote[i]));
    return count;
}

bool gci_block_is_settled(const struct heap *heap, uint32_t unit)
{
    return u32_load_acquire(&block_at(heap, unit)->remote_count) == count_remote(heap, unit);
}

void gci_block_settle(struct heap *heap, uint32_t unit)
{
    uint32_t count = count_remote(heap, unit);
    u32_store(&block_at(heap, unit)->remote_count, count);
    if (count != 0)
        block_set_flag(block_at(heap, unit), HAS_REMOTE);
    if (u32_load(&block_at(heap, unit)->custody) & HAS_REMOTE)
        block_set_flag(block_at(heap, unit), IS_SHUT);
}

static COLD void die_of_double_free(const struct heap *heap, uint32_t unit, unsigned index, uint64_t bits)
{
    struct text text;
    uintptr_t slot = index * BITS_PER_WORD + lowest_bit(bits);
    gci_text_init(&text);
    gci_text_add(&text, "free(");
    gci_text_add_address(&text, unit_address(heap, unit) + slot * block_class(heap, unit)->bytes);
    gci_text_add(&text, "): double free");
    gci_env_die(&text);
}

uint64_t gci_block_fold_word(struct heap *heap, uint32_t unit, unsigned index)
{
    uint64_t *free_word = &block_at(heap, unit)->free[index];
    volatile shared_word *remote = &block_at(heap, unit)->remote[index];
    if (word_load(remote) == 0)
        return *free_word;
    uint64_t freed = word_exchange(remote, 0);
    uint64_t wrong = freed & (*free_word | ~block_valid_bits(block_class(heap, unit), index));
    if (UNLIKELY(wrong != 0)) /* what is no slot was one of the block that was here before, and free there */
        die_of_double_free(heap, unit, index, wrong);
    gci_cpu_or(free_word, freed); /* a signal handler may free beside it */
    u32_add(&block_at(heap, unit)->remote_count, -count_bits(freed));
    return *free_word;
}

uint32_t gci_block_fold_all(struct heap *heap, uint32_t unit)
{
    struct block *block = block_at(heap, unit);
    unsigned words = block_class(heap, unit)->words;
    uint32_t custody = u32_load_acquire(&block->custody);
    if (custody & HAS_REMOTE) {
        while ((custody & IS_SHUT) && !u32_compare_and_swap(&block->custody, custody, custody & ~IS_NOTED))
            custody = u32_load(&block->custody);
        fence_full();
        for (unsigned i = 0; i < words; i++)
            gci_block_fold_word(heap, unit, i);
    }
    uint32_t count = 0;
    for (unsigned i = 0; i < words; i++)
        count += count_bits(block->free[i]);
    return count;
}

/* The exchange of remote_wake and the load of remote_count after it, here, against the count and the load of remote_wake in
 * the freer: with full barriers on both sides at least one of the two sees the other's. */
bool gci_block_arm(struct block *block, uint32_t slots)
{
    block->countdown = slots;
    u32_exchange(&block->remote_wake, slots); /* the caller has folded: the count is of what came since */
    return !block_is_due(block, u32_load(&block->remote_count));
}
