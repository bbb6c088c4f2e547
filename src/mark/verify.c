/* SPDX-License-Identifier: MIT */
/* Implementation of mark/verify.h. */
#include "mark/verify.h"

#include "base/bits.h"
#include "heap/block.h"
#include "heap/resolve.h"
#include "heap/special/counted.h"

typedef uintptr_t MAY_ALIAS raw_word;
typedef uint64_t unit_marks[BITMAP_WORDS];

/* Memory of ours, so that it is no root; it grows with the heap and is kept. */
static bool has_room(struct heap *heap)
{
    if (heap->verify_units >= heap->frontier)
        return true;
    uint32_t units = (uint32_t)power_of_two_up(heap->frontier);
    void *marks = gci_heap_take_meta(heap, units * sizeof(unit_marks));
    if (marks == NULL)
        return false;
    heap->verify_marks = marks;
    heap->verify_units = units;
    return true;
}

bool gci_verify_begin(struct heap *heap)
{
    if (!has_room(heap))
        return false;
    __builtin_memcpy(heap->verify_marks, heap->meta.mark, heap->frontier * sizeof(unit_marks));
    return true;
}

static void mark(struct heap *heap, uintptr_t address)
{
    struct object object = gci_resolve(heap, address);
    if (object.unit != 0)
        heap->meta.mark[object.unit][object.slot / BITS_PER_WORD] |= UINT64_C(1) << (object.slot % BITS_PER_WORD);
}

void gci_verify_words(struct heap *heap, const uintptr_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mark(heap, word_address(words[i]));
        mark(heap, word_address(words[i]) - 1);
    }
}

READS_RAW_MEMORY static void scan_object(struct heap *heap, uintptr_t start, size_t bytes)
{
    const raw_word *words = (const raw_word *)start; // NOLINT(performance-no-int-to-ptr)
    for (size_t i = 0; i < bytes / sizeof *words; i++)
        mark(heap, word_address(words[i]));
}

static void mark_word(void *heap, uintptr_t word)
{
    mark(heap, word_address(word));
}

static void scan_headed(struct heap *heap, uintptr_t start, size_t bytes)
{
    const struct counted *counted = (const struct counted *)start; // NOLINT(performance-no-int-to-ptr)
    const struct layout *layout = counted_layout(counted);
    if (layout == NULL)
        scan_object(heap, start, bytes);
    else
        counted_each_word(counted, layout, range_of(counted, bytes), mark_word, heap);
}

static void scan_slot(struct heap *heap, enum block_kind kind, uintptr_t start, size_t bytes)
{
    if (kind == KIND_HEADED)
        scan_headed(heap, start, bytes);
    else if (kind != KIND_ATOMIC)
        scan_object(heap, start, bytes);
}

static size_t object_bytes(const struct heap *heap, uint32_t unit)
{
    bool is_large = heap->meta.hot[unit].use == UNIT_LARGE;
    return is_large ? block_at(heap, unit)->usable_bytes : block_class(heap, unit)->bytes;
}

static unsigned mark_words(const struct heap *heap, uint32_t unit)
{
    return heap->meta.hot[unit].use == UNIT_LARGE ? 1 : block_class(heap, unit)->words;
}

/* Whether anything was to be scanned. Bits that stand for no slot are set in both bitmaps. */
static bool scan_unit(struct heap *heap, uint32_t unit)
{
    size_t bytes = object_bytes(heap, unit);
    bool any = false;
    for (unsigned i = 0; i < mark_words(heap, unit); i++) {
        uint64_t due = heap->meta.mark[unit][i] & ~heap->meta.scan[unit][i];
        heap->meta.scan[unit][i] |= due;
        any = any || due != 0;
        for (; due != 0; due &= due - 1)
            scan_slot(heap, hot_kind(heap->meta.hot[unit]),
                      unit_address(heap, unit) + (i * BITS_PER_WORD + lowest_bit(due)) * bytes, bytes);
    }
    return any;
}

static bool has_marks(const struct heap *heap, uint32_t unit)
{
    return heap->meta.hot[unit].use == UNIT_SMALL || heap->meta.hot[unit].use == UNIT_LARGE;
}

static uintptr_t find_difference(const struct heap *heap, uint32_t unit, const uint64_t *kept)
{
    for (unsigned i = 0; i < mark_words(heap, unit); i++) {
        uint64_t different = heap->meta.mark[unit][i] ^ kept[i];
        if (different != 0)
            return unit_address(heap, unit) + (i * BITS_PER_WORD + lowest_bit(different)) * object_bytes(heap, unit);
    }
    return 0;
}

uintptr_t gci_verify_end(struct heap *heap)
{
    bool any;
    do {
        any = false;
        for (uint32_t unit = 1; unit < heap->frontier; unit++)
            any = (has_marks(heap, unit) && scan_unit(heap, unit)) || any;
    } while (any);
    for (uint32_t unit = 1; unit < heap->frontier; unit++) {
        uintptr_t found = has_marks(heap, unit) ? find_difference(heap, unit, heap->verify_marks[unit]) : 0;
        if (found != 0)
            return found;
    }
    return 0;
}
