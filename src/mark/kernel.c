/* SPDX-License-Identifier: MIT */
/* The loops of marking, compiled once for each set of instructions and, inside, once for a marker that is alone and once
 * for several. The four decisions that make them fast were measured (src/README.md): units in a queue, objects through a
 * ring, lists past both, and words compared several at a time.
 */
#include "base/bits.h"
#include "heap/block.h"
#include "heap/special/counted.h"
#include "mark/marker.h"
#include "mark/probe.h"
#include "platform/cpu.h"

STATIC_ASSERT(LANES_ADDRESS_MASK == (UINT64_C(1) << ADDRESS_BITS) - 1, "one idea of what of a word is an address");

/* ---- Objects ------------------------------------------------------------------------------------------------------ */

/* Objects up to this size have few words that are pointers: each is a branch, which is predicted where a compressed list
 * of them would be waited for. */
#define FEW_BYTES_MAX 128u

/* An object whose memory has just come. One word after the other: its branches are decided sooner than those on a
 * comparison of several. */
ALWAYS_INLINE void scan_fetched(struct hands *hands, const lanes_word *words, size_t count, uint32_t unit)
{
    bool is_all_there_is = hands->cursor.due == 0 && !any_unit_waits(&hands->view);
    for (size_t i = 0; i < count; i++) {
        uintptr_t offset = offset_of(&hands->view, words[i]);
        if (offset >= hands->view.limit_bytes)
            continue;
        if (UNLIKELY(is_all_there_is))
            mark_for_ring(hands, offset);
        else
            mark_later(&hands->view, &hands->probes, offset, unit);
    }
}

/* One of many that lie side by side. */
ALWAYS_INLINE void scan_few(const struct view *view, struct probes *probes, const lanes_word *words, size_t count,
                            uint32_t unit)
{
    for (size_t i = 0; i < count; i += LANES) {
        uint32_t mask = lanes_candidates(words + i, count - i, view->base, view->limit_bytes);
        for (; mask != 0; mask &= mask - 1)
            mark_later(view, probes, offset_of(view, words[i + lowest_bit(mask)]), unit);
    }
}

#define FOUND_MAX 64u

ALWAYS_INLINE void mark_all(const struct view *view, struct probes *probes, const uintptr_t *found, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mark_later(view, probes, found[i] - view->base, 0);
}

READS_RAW_MEMORY ALWAYS_INLINE void scan_many_with(struct marker *marker, uintptr_t start, size_t bytes, bool is_shared)
{
    const struct view view = view_of(marker, is_shared);
    const lanes_word *words = (const lanes_word *)start; // NOLINT(performance-no-int-to-ptr)
    struct probes probes = {0};
    uintptr_t found[FOUND_MAX + LANES];
    size_t count = bytes / sizeof *words;
    size_t found_count = 0;
    size_t i = 0;
    marker->scanned_bytes += bytes;
    for (; i + LANES <= count; i += LANES) {
        found_count += lanes_compress(words + i, view.base, view.limit_bytes, found + found_count);
        if (found_count > FOUND_MAX) {
            mark_all(&view, &probes, found, found_count);
            found_count = 0;
        }
    }
    mark_all(&view, &probes, found, found_count);
    scan_few(&view, &probes, words + i, count - i, 0);
    finish_probes(&view, &probes);
}

READS_RAW_MEMORY static NOINLINE void scan_many_alone(struct marker *marker, uintptr_t start, size_t bytes)
{
    scan_many_with(marker, start, bytes, false);
}

READS_RAW_MEMORY static NOINLINE void scan_many_shared(struct marker *marker, uintptr_t start, size_t bytes)
{
    scan_many_with(marker, start, bytes, true);
}

static void scan_many(struct marker *marker, uintptr_t start, size_t bytes, bool is_shared)
{
    if (is_shared)
        scan_many_shared(marker, start, bytes);
    else
        scan_many_alone(marker, start, bytes);
}

/* ---- Objects with a header ------------------------------------------------------------------------------------------ */

struct layout_scan {
    struct view view;
    struct probes probes;
};

ALWAYS_INLINE void mark_word_of_layout(void *data, uintptr_t word)
{
    struct layout_scan *scan = data;
    uintptr_t offset = offset_of(&scan->view, word);
    if (offset < scan->view.limit_bytes)
        mark_later(&scan->view, &scan->probes, offset, 0);
}

/* Scans a part of the object by its layout. False: it has none, and any word may be a pointer. */
READS_RAW_MEMORY static NOINLINE bool scan_by_layout(struct marker *marker, uintptr_t start, struct range part,
                                                     bool is_shared)
{
    const struct counted *counted = (const struct counted *)start; // NOLINT(performance-no-int-to-ptr)
    const struct layout *layout = counted_layout(counted);
    if (layout == NULL)
        return false;
    struct layout_scan scan = {.view = view_of(marker, is_shared)};
    counted_each_word(counted, layout, part, mark_word_of_layout, &scan);
    finish_probes(&scan.view, &scan.probes);
    return true;
}

READS_RAW_MEMORY ALWAYS_INLINE void scan_oldest(struct hands *hands)
{
    struct pending_scan next = take_from_ring(&hands->ring);
    if (UNLIKELY(next.start & HEADED_TAG)) {
        next.start -= HEADED_TAG;
        if (scan_by_layout(hands->view.marker, next.start, (struct range){next.start, next.start + next.bytes},
                           hands->view.is_shared))
            return;
    }
    const lanes_word *words = (const lanes_word *)next.start; // NOLINT(performance-no-int-to-ptr)
    uint32_t unit = (uint32_t)((next.start - hands->view.base) >> BLOCK_SHIFT);
    if (LIKELY(next.bytes <= FEW_BYTES_MAX))
        scan_fetched(hands, words, next.bytes / sizeof *words, unit);
    else
        scan_many(hands->view.marker, next.start, next.bytes, hands->view.is_shared);
}

/* ---- Large objects ------------------------------------------------------------------------------------------------ */

/* Runs from this size on are asked about page by page; below, reading is cheaper than asking. */
#define SPARSE_UNITS_MIN 16u

/* Scans what was written of a part of an object that goes on to object_end. The units of a run come in order, so one
 * question serves for all units up to the next written page. */
static void scan_written(struct marker *marker, struct range part, uintptr_t object_end, bool is_shared)
{
    uintptr_t start = part.lo;
    while (start < part.hi) {
        if (start < marker->asked_from || start >= marker->written.hi) {
            marker->asked_from = start;
            marker->written = gci_pages_next(marker->pages, start, object_end, false);
        }
        uintptr_t lo = marker->written.lo > start ? marker->written.lo : start;
        uintptr_t hi = marker->written.hi < part.hi ? marker->written.hi : part.hi;
        if (lo < hi)
            scan_many(marker, lo, hi - lo, is_shared);
        start = marker->written.lo >= part.hi || marker->written.lo == marker->written.hi ? part.hi : hi;
    }
}

static NOINLINE void scan_large_unit(struct marker *marker, uint32_t unit, bool is_shared)
{
    const struct heap *heap = marker->heap;
    uint32_t first = unit;
    if (heap->meta.hot[unit].use == UNIT_LARGE_REST)
        first -= heap->meta.hot[unit].reciprocal;
    const struct block *block = block_at(heap, first);
    size_t offset = (size_t)(unit - first) << BLOCK_SHIFT;
    size_t bytes = block->usable_bytes - offset < BLOCK_BYTES ? block->usable_bytes - offset : BLOCK_BYTES;
    struct range part = {unit_address(heap, unit), unit_address(heap, unit) + bytes};
    if (hot_kind(heap->meta.hot[first]) == KIND_HEADED &&
        scan_by_layout(marker, unit_address(heap, first), part, is_shared))
        return;
    if (block->run_units >= SPARSE_UNITS_MIN && marker->pages != NULL)
        scan_written(marker, part, unit_address(heap, first) + block->usable_bytes, is_shared);
    else
        scan_many(marker, part.lo, bytes, is_shared);
}

/* ---- Blocks in order ---------------------------------------------------------------------------------------------- */

/* How far ahead of the object in hand: what 32 objects of a cache line take to scan. */
#define AHEAD_BYTES 4096u

/* A block is left to the ring when, past the first so many objects, less than one in LOCAL_SHARE was marked by those right
 * before it, and not many are due. */
#define LOCAL_TRIAL 16u
#define LOCAL_SHARE 4u

#define DENSE_SLOTS_MIN 32u

/* Whether many slots side by side are due, going by the first word of which any is. */
ALWAYS_INLINE bool is_dense(const struct view *view, uint32_t unit, unsigned words)
{
    for (unsigned i = 0; i < words; i++) {
        uint64_t due = load_bits(&view->mark[unit][i]) & ~load_bits(&view->scan[unit][i]);
        if (due != 0)
            return count_bits(due) >= DENSE_SLOTS_MIN;
    }
    return false;
}

/* A block that is scanned in order. What its objects say of each other stays here: no queue, no waiting for a mark that is in
 * the cache anyway, and with several markers no atomic operation. */
struct in_order {
    struct view view;
    struct probes probes;
    uint32_t unit;
    uint32_t reciprocal;
    size_t bytes;
    uint64_t *marks; /* the block's, or with several markers `own`, until all is published */
    uint64_t own[BITMAP_WORDS];
};

ALWAYS_INLINE void mark_in_order(struct in_order *block, uintptr_t offset)
{
    if ((uint32_t)(offset >> BLOCK_SHIFT) != block->unit) {
        mark_later(&block->view, &block->probes, offset, 0);
        return;
    }
    uint32_t slot = slot_of_offset((uint32_t)(offset & (BLOCK_BYTES - 1)), block->reciprocal);
    block->marks[slot / BITS_PER_WORD] |= UINT64_C(1) << (slot % BITS_PER_WORD);
}

ALWAYS_INLINE uint64_t take_due_in_order(const struct in_order *block, unsigned word)
{
    uint64_t scanned = load_bits(&block->view.scan[block->unit][word]);
    uint64_t due = (load_bits(&block->view.mark[block->unit][word]) | block->marks[word]) & ~scanned;
    if (due != 0)
        store_bits(&block->view.scan[block->unit][word], scanned | due);
    return due;
}

ALWAYS_INLINE void scan_words_in_order(struct in_order *block, const lanes_word *words, size_t count, uint32_t wanted)
{
    uint32_t mask = lanes_candidates(words, count, block->view.base, block->view.limit_bytes) & wanted;
    for (; mask != 0; mask &= mask - 1)
        mark_in_order(block, offset_of(&block->view, words[lowest_bit(mask)]));
}

/* Objects of `per_group`, 2 or 4, to as many words as are compared at once. By the objects that are due: their words. The bits
 * are moved apart by halves, then each becomes as many as an object has words. */
ALWAYS_INLINE uint32_t words_of_objects(uint32_t objects, unsigned per_group)
{
    const unsigned each = LANES / per_group;
    const uint32_t first_of_each = (1u | 1u << each) * (per_group == 4 ? 1u | 1u << 2 * each : 1u);
    if (per_group == 4)
        objects = (objects | objects << (2 * each - 2)) & (3u | 3u << 2 * each);
    objects = (objects | objects << (each - 1)) & first_of_each;
    return objects * ((1u << each) - 1);
}

ALWAYS_INLINE void scan_groups(struct in_order *block, uintptr_t start, uint64_t due, intptr_t ahead,
                               unsigned per_group)
{
    const unsigned group_bytes = LANES * sizeof(lanes_word);
    const uint64_t group_mask = (UINT64_C(1) << per_group) - 1;
    while (due != 0) {
        unsigned first = lowest_bit(due) / per_group * per_group;
        uintptr_t at = start + (uintptr_t)(first / per_group) * group_bytes;
        gci_cpu_prefetch((const void *)(at + (uintptr_t)ahead)); // NOLINT(performance-no-int-to-ptr)
        uint32_t words = words_of_objects((uint32_t)(due >> first & group_mask), per_group);
        scan_words_in_order(block, (const lanes_word *)at, LANES, words); // NOLINT(performance-no-int-to-ptr)
        due &= ~(group_mask << first);
    }
}

ALWAYS_INLINE void scan_due(struct in_order *block, uintptr_t start, uint64_t due, intptr_t ahead)
{
    const size_t count = block->bytes / sizeof(lanes_word);
    if (LANES / 4 > 0 && count == LANES / 4 && count > 1) {
        scan_groups(block, start, due, ahead, 4);
        return;
    }
    if (LANES / 2 > 0 && count == LANES / 2 && count > 1) {
        scan_groups(block, start, due, ahead, 2);
        return;
    }
    for (; due != 0; due &= due - 1) {
        uintptr_t at = start + lowest_bit(due) * block->bytes;
        gci_cpu_prefetch((const void *)(at + (uintptr_t)ahead)); // NOLINT(performance-no-int-to-ptr)
        for (size_t i = 0; i < count; i += LANES)
            scan_words_in_order(block, (const lanes_word *)at + i, count - i, UINT32_MAX); // NOLINT
    }
}

/* Slots of one word, as long as they mark others of it. How many, and how many of them after the first. */
ALWAYS_INLINE uint64_t scan_word_in_order(struct in_order *block, unsigned word, intptr_t ahead, uint64_t *later)
{
    uintptr_t block_start = block->view.base + ((uintptr_t)block->unit << BLOCK_SHIFT);
    uintptr_t start = block_start + (uintptr_t)word * BITS_PER_WORD * block->bytes;
    uint64_t count = 0;
    uint64_t due = take_due_in_order(block, word);
    for (; due != 0; due = take_due_in_order(block, word)) {
        *later += count == 0 ? 0 : count_bits(due);
        count += count_bits(due);
        scan_due(block, start, due, ahead);
    }
    return count;
}

static void publish(const struct in_order *block, unsigned words)
{
    for (unsigned i = 0; i < words; i++)
        if ((block->own[i] & ~load_bits(&block->view.mark[block->unit][i])) != 0)
            word_fetch_or((volatile shared_word *)&block->view.mark[block->unit][i], block->own[i]);
}

/* Scans a block whose objects point at their neighbours, or many of which are due: in the order of their addresses, what they
 * mark in the same word of marks at once, up and down as long as it finds any. A tree that was built in order is read like an
 * array. False: neither is so, or no more. */
READS_RAW_MEMORY ALWAYS_INLINE bool scan_in_order_with(struct marker *marker, uint32_t unit, bool is_shared)
{
    const struct size_class *size_class = block_class(marker->heap, unit);
    struct in_order block;
    block.view = view_of(marker, is_shared);
    block.probes = (struct probes){0};
    block.unit = unit;
    block.reciprocal = size_class->reciprocal;
    block.bytes = size_class->bytes;
    block.marks = is_shared ? block.own : block.view.mark[unit];
    if (is_shared)
        __builtin_memset(block.own, 0, size_class->words * sizeof block.own[0]);
    uint64_t scanned = 0;
    uint64_t local = 0;
    uint64_t scanned_before;
    bool goes_on = true;
    int step = 1;
    do {
        bool is_again = scanned != 0;
        scanned_before = scanned;
        for (unsigned n = 0; n < size_class->words && goes_on; n++) {
            unsigned i = step > 0 ? n : size_class->words - 1 - n;
            uint64_t later = 0;
            uint64_t count = scan_word_in_order(&block, i, step * (intptr_t)AHEAD_BYTES, &later);
            scanned += count;
            local += is_again ? count : later;
            goes_on = scanned <= LOCAL_TRIAL + LOCAL_SHARE * local || is_dense(&block.view, unit, size_class->words);
        }
        step = -step;
    } while (goes_on && scanned != scanned_before);
    finish_probes(&block.view, &block.probes);
    if (is_shared)
        publish(&block, size_class->words);
    return goes_on;
}

READS_RAW_MEMORY static NOINLINE bool scan_in_order_alone(struct marker *marker, uint32_t unit)
{
    return scan_in_order_with(marker, unit, false);
}

READS_RAW_MEMORY static NOINLINE bool scan_in_order_shared(struct marker *marker, uint32_t unit)
{
    return scan_in_order_with(marker, unit, true);
}

/* ---- What to do next ---------------------------------------------------------------------------------------------- */

ALWAYS_INLINE bool take_unit(struct marker *marker, uint32_t *unit, bool is_shared)
{
    if (!is_shared) {
        if (marker->queue->count == 0)
            return false;
        *unit = queue_pop(marker->queue);
        return true;
    }
    if (marker->in_next == marker->in_count &&
        !((marker->out_count != 0 || u32_load(&marker->queue->available) != 0) && gci_queue_exchange(marker, false)))
        return false;
    *unit = marker->in[marker->in_next++];
    return true;
}

ALWAYS_INLINE struct cursor cursor_at(const struct view *view, uint32_t unit)
{
    const struct size_class *size_class = &gci_size_classes[hot_class(view->hot[unit])];
    return (struct cursor){.unit = unit,
                           .bytes = size_class->bytes,
                           .words = size_class->words,
                           .word_address =
                               (view->base + ((uintptr_t)unit << BLOCK_SHIFT)) | headed_tag(view->hot[unit])};
}

/* Does what can be done at once with a unit of the queue, and leaves the rest to the cursor. */
ALWAYS_INLINE void begin_unit(struct hands *hands, uint32_t unit)
{
    const struct view *view = &hands->view;
    struct hot hot = view->hot[unit];
    if (hot.use != UNIT_SMALL) {
        scan_large_unit(view->marker, unit, view->is_shared);
        return;
    }
    enum queue_way way = unqueue_unit(view, unit);
    bool may_be_in_order = (size_t)hot.granules * GRANULE_BYTES <= FEW_BYTES_MAX && headed_tag(hot) == 0;
    if (!may_be_in_order || (way != QUEUED_LOCAL && !is_dense(view, unit, gci_size_classes[hot_class(hot)].words)) ||
        !(view->is_shared ? scan_in_order_shared(view->marker, unit) : scan_in_order_alone(view->marker, unit)))
        hands->cursor = cursor_at(view, unit);
}

/* Slots that are due, of the unit in hand or of the next one in the queue. What was marked in a word while its slots were
 * scanned is due at once. False: no unit waits. */
ALWAYS_INLINE bool find_due(struct hands *hands)
{
    struct cursor *cursor = &hands->cursor;
    uint32_t unit;
    for (;;) {
        for (; cursor->word < cursor->words; cursor->word++) {
            cursor->due = take_due(&hands->view, cursor->unit, cursor->word);
            if (cursor->due != 0)
                return true;
            cursor->word_address += (uintptr_t)cursor->bytes * BITS_PER_WORD;
        }
        if (!take_unit(hands->view.marker, &unit, hands->view.is_shared))
            return false;
        begin_unit(hands, unit);
    }
}

ALWAYS_INLINE void fill_ring(struct hands *hands)
{
    struct cursor *cursor = &hands->cursor;
    while (hands->ring.count < RING_ENTRIES && (cursor->due != 0 || find_due(hands))) {
        add_to_ring(&hands->ring, cursor->word_address + (uintptr_t)lowest_bit(cursor->due) * cursor->bytes,
                    cursor->bytes);
        cursor->due &= cursor->due - 1;
    }
}

/* Until nothing is in hand and nothing is in the queue. */
ALWAYS_INLINE void drain_hands(struct hands *hands)
{
    for (;;) {
        fill_ring(hands);
        if (hands->ring.count == 0) {
            finish_probes(&hands->view, &hands->probes);
            fill_ring(hands);
            if (hands->ring.count == 0)
                return;
        }
        scan_oldest(hands);
    }
}

ALWAYS_INLINE void drain_with(struct marker *marker, bool is_shared)
{
    struct hands hands = {.view = view_of(marker, is_shared)};
    do
        drain_hands(&hands);
    while (is_shared && gci_queue_exchange(marker, true));
}

static void drain_alone(struct marker *marker)
{
    drain_with(marker, false);
}

static void drain_shared(struct marker *marker)
{
    drain_with(marker, true);
}

/* ---- The two parts ------------------------------------------------------------------------------------------------ */

static void drain(struct marker *marker)
{
    if (marker->limit_bytes == 0) /* nothing to mark, and no metadata to look at */
        return;
    if (marker->queue->is_shared)
        drain_shared(marker);
    else
        drain_alone(marker);
}

/* A word that points at a slot's start keeps the slot before it too, for pointers past an end. */
static void mark_roots(struct marker *marker, const uintptr_t *words, size_t count)
{
    const struct view view = view_of(marker, marker->queue->is_shared);
    for (size_t i = 0; i < count; i += LANES) {
        uint32_t mask = lanes_candidates(words + i, count - i, view.base, view.limit_bytes + 1);
        for (; mask != 0; mask &= mask - 1) {
            uintptr_t offset = offset_of(&view, words[i + lowest_bit(mask)]);
            if (offset < view.limit_bytes)
                mark_now(&view, offset);
            if (offset != 0)
                mark_now(&view, offset - 1);
        }
    }
}

#if defined(GCI_LANES_AVX512)
#define KERNEL gci_kernel_avx512
#elif defined(GCI_LANES_AVX2)
#define KERNEL gci_kernel_avx2
#else
#define KERNEL gci_kernel_scalar
#endif

const struct kernel KERNEL = {mark_roots, drain};
