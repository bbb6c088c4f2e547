/* SPDX-License-Identifier: MIT */
/* Implementation of mark/mark.h. */
#include "mark/mark.h"

#include "base/assert.h"
#include "base/bits.h"
#include "heap/block.h"
#include "heap/resolve.h"
#include "platform/cpu.h"

typedef uintptr_t MAY_ALIAS raw_word;

void gci_mark_init(struct marker *marker, struct heap *heap)
{
    *marker = (struct marker){.heap = heap,
                              .base = heap->base,
                              .limit_bytes = word_load(&heap->limit_bytes),
                              .queue_capacity = heap->frontier,
                              .may_read_pages = true};
}

void gci_mark_fini(struct marker *marker)
{
    if (marker->has_pages)
        gci_pages_close(&marker->pages);
    marker->has_pages = false;
}

bool gci_mark_is_set(const struct heap *heap, uint32_t unit, uint32_t slot)
{
    return heap->meta.mark[unit][slot / BITS_PER_WORD] >> (slot % BITS_PER_WORD) & 1;
}

static void push_unit(struct marker *marker, uint32_t unit)
{
    uint32_t at = marker->queue_head + marker->queue_count;
    if (at >= marker->queue_capacity)
        at -= marker->queue_capacity;
    GCI_ASSERT(marker->queue_count < marker->queue_capacity);
    marker->heap->meta.queue[at] = unit;
    marker->queue_count++;
}

static uint32_t pop_unit(struct marker *marker)
{
    uint32_t unit = marker->heap->meta.queue[marker->queue_head];
    if (++marker->queue_head == marker->queue_capacity)
        marker->queue_head = 0;
    marker->queue_count--;
    return unit;
}

/* Every unit of a run is queued by itself: a run is marked once, so each of its units is in the queue once. */
static NOINLINE void mark_large(struct marker *marker, uintptr_t address)
{
    struct heap *heap = marker->heap;
    struct object object = gci_resolve(heap, address);
    if (object.unit == 0 || (heap->meta.mark[object.unit][0] & 1))
        return;
    heap->meta.mark[object.unit][0] |= 1;
    if (object.kind == KIND_ATOMIC)
        return;
    for (uint32_t i = 0; i < block_at(heap, object.unit)->run_units; i++)
        push_unit(marker, object.unit + i);
}

/* The caller has seen that there is room. */
ALWAYS_INLINE void add_to_ring(struct marker *marker, uintptr_t start, size_t bytes)
{
    GCI_ASSERT(marker->ring_count < RING_ENTRIES);
    gci_cpu_prefetch((const void *)start); // NOLINT(performance-no-int-to-ptr)
    uint32_t at = (marker->ring_head + marker->ring_count) % RING_ENTRIES;
    marker->ring[at] = (struct pending_scan){start, bytes};
    marker->ring_count++;
}

/* `address` is inside the heap's range. Bits past the last slot are set, so they need no test of their own. */
ALWAYS_INLINE void mark_heap_word(struct marker *marker, uintptr_t address)
{
    struct heap *heap = marker->heap;
    uint32_t unit = (uint32_t)((address - marker->base) >> BLOCK_SHIFT);
    struct hot hot = heap->meta.hot[unit];
    if (UNLIKELY(hot.use != UNIT_SMALL)) {
        if (hot.use != UNIT_FREE)
            mark_large(marker, address);
        return;
    }
    uint32_t slot = slot_of_offset((uint32_t)(address & (BLOCK_BYTES - 1)), hot.reciprocal);
    uint64_t *bits = &heap->meta.mark[unit][slot / BITS_PER_WORD];
    uint64_t bit = UINT64_C(1) << (slot % BITS_PER_WORD);
    if (*bits & bit)
        return;
    *bits |= bit;
    if (hot_kind(hot) == KIND_ATOMIC)
        return;
    if (marker->queue_count == 0 && marker->ring_count < RING_ENTRIES) {
        /* No block waits, so none can gather marks: straight to the ring. This is the whole way of a list. */
        heap->meta.scan[unit][slot / BITS_PER_WORD] |= bit;
        size_t bytes = gci_size_classes[hot_class(hot)].bytes;
        add_to_ring(marker, unit_address(heap, unit) + slot * bytes, bytes);
        return;
    }
    struct block *block = block_at(heap, unit);
    if (!block->is_queued) {
        block->is_queued = true;
        push_unit(marker, unit);
    }
}

ALWAYS_INLINE bool is_candidate(const struct marker *marker, uintptr_t address)
{
    return address - marker->base < marker->limit_bytes;
}

void gci_mark_root_words(struct marker *marker, const uintptr_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uintptr_t address = word_address(words[i]);
        if (is_candidate(marker, address))
            mark_heap_word(marker, address);
        if (is_candidate(marker, address - 1))
            mark_heap_word(marker, address - 1);
    }
}

void gci_mark_root_unit(struct marker *marker, uint32_t unit)
{
    struct heap *heap = marker->heap;
    uint32_t count = heap->meta.hot[unit].use == UNIT_LARGE ? block_at(heap, unit)->run_units : 1;
    block_at(heap, unit)->is_queued = true;
    for (uint32_t i = 0; i < count; i++)
        push_unit(marker, unit + i);
}

READS_RAW_MEMORY static void scan_words(struct marker *marker, uintptr_t start, size_t bytes)
{
    const raw_word *words = (const raw_word *)start; // NOLINT(performance-no-int-to-ptr)
    size_t count = bytes / sizeof *words;
    for (size_t i = 0; i < count; i++) {
        uintptr_t address = word_address(words[i]);
        if (is_candidate(marker, address))
            mark_heap_word(marker, address);
    }
    marker->scanned_bytes += bytes;
}

static void scan_oldest(struct marker *marker)
{
    struct pending_scan next = marker->ring[marker->ring_head];
    marker->ring_head = (marker->ring_head + 1) % RING_ENTRIES;
    marker->ring_count--;
    scan_words(marker, next.start, next.bytes);
}

static void put_in_ring(struct marker *marker, uintptr_t start, size_t bytes)
{
    while (marker->ring_count == RING_ENTRIES) /* the scan may itself fill the place that it made */
        scan_oldest(marker);
    add_to_ring(marker, start, bytes);
}

static void scan_block(struct marker *marker, uint32_t unit)
{
    struct heap *heap = marker->heap;
    const struct size_class *size_class = block_class(heap, unit);
    uintptr_t address = unit_address(heap, unit);
    block_at(heap, unit)->is_queued = false; /* before reading marks: what is marked from here on queues it again */
    for (unsigned i = 0; i < size_class->words; i++) {
        uint64_t due = heap->meta.mark[unit][i] & ~heap->meta.scan[unit][i];
        heap->meta.scan[unit][i] |= due;
        for (; due != 0; due &= due - 1) {
            uintptr_t slot = i * BITS_PER_WORD + lowest_bit(due);
            put_in_ring(marker, address + slot * size_class->bytes, size_class->bytes);
        }
    }
}

/* Runs from this size on are asked about page by page; below, reading is cheaper than asking. */
#define SPARSE_UNITS_MIN 16u

static bool can_ask_pages(struct marker *marker)
{
    if (!marker->has_pages && marker->may_read_pages)
        marker->has_pages = marker->may_read_pages = gci_pages_open(&marker->pages);
    return marker->has_pages;
}

/* Scans what was written of [start, end), a part of an object that goes on to object_end. The units of a run come in
 * order, so one question serves for all units up to the next written page. */
static void scan_written(struct marker *marker, uintptr_t start, uintptr_t end, uintptr_t object_end)
{
    while (start < end) {
        if (start < marker->asked_from || start >= marker->written.hi) {
            marker->asked_from = start;
            marker->written = gci_pages_next(&marker->pages, start, object_end, false);
        }
        uintptr_t lo = marker->written.lo > start ? marker->written.lo : start;
        uintptr_t hi = marker->written.hi < end ? marker->written.hi : end;
        if (lo < hi)
            scan_words(marker, lo, hi - lo);
        start = marker->written.lo >= end || marker->written.lo == marker->written.hi ? end : hi;
    }
}

static void scan_large_unit(struct marker *marker, uint32_t unit)
{
    const struct heap *heap = marker->heap;
    uint32_t first = unit;
    if (heap->meta.hot[unit].use == UNIT_LARGE_REST)
        first -= heap->meta.hot[unit].reciprocal;
    size_t offset = (size_t)(unit - first) << BLOCK_SHIFT;
    size_t usable = block_at(heap, first)->usable_bytes;
    size_t bytes = usable - offset < BLOCK_BYTES ? usable - offset : BLOCK_BYTES;
    uintptr_t start = unit_address(heap, unit);
    if (block_at(heap, first)->run_units >= SPARSE_UNITS_MIN && can_ask_pages(marker))
        scan_written(marker, start, start + bytes, unit_address(heap, first) + usable);
    else
        scan_words(marker, start, bytes);
}

void gci_mark_drain(struct marker *marker)
{
    while (marker->queue_count != 0 || marker->ring_count != 0) {
        if (marker->queue_count == 0) {
            scan_oldest(marker);
            continue;
        }
        uint32_t unit = pop_unit(marker);
        if (marker->heap->meta.hot[unit].use == UNIT_SMALL)
            scan_block(marker, unit);
        else
            scan_large_unit(marker, unit);
    }
}
