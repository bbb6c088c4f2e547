/* SPDX-License-Identifier: MIT */
/* The loops of marking, compiled once for each set of instructions and, inside, once for a marker that is alone and once
 * for several. The four decisions that make them fast were measured (src/README.md): units in a queue, objects through a
 * ring, lists past both, and words compared several at a time.
 */
#include "base/assert.h"
#include "base/bits.h"
#include "heap/block.h"
#include "heap/resolve.h"
#include "mark/marker.h"
#include "platform/cpu.h"

STATIC_ASSERT(LANES_ADDRESS_MASK == (UINT64_C(1) << ADDRESS_BITS) - 1, "one idea of what of a word is an address");

ALWAYS_INLINE uint64_t load_bits(const uint64_t *at)
{
    return word_load((const volatile shared_word *)at);
}

/* Whether the caller is the one that set the bit. */
ALWAYS_INLINE bool set_bit(uint64_t *at, uint64_t bit, bool is_shared)
{
    uint64_t seen = load_bits(at);
    while (!(seen & bit)) {
        if (!is_shared) {
            *at = seen | bit;
            return true;
        }
        if (word_compare_and_swap((volatile shared_word *)at, seen, seen | bit))
            return true;
        seen = load_bits(at);
    }
    return false;
}

/* Which of `bits` the caller is the one to set. */
ALWAYS_INLINE uint64_t set_bits(uint64_t *at, uint64_t bits, bool is_shared)
{
    uint64_t seen = load_bits(at);
    while ((bits & ~seen) != 0) {
        if (!is_shared) {
            *at = seen | bits;
            break;
        }
        if (word_compare_and_swap((volatile shared_word *)at, seen, seen | bits))
            break;
        seen = load_bits(at);
    }
    return bits & ~seen;
}

/* ---- Units -------------------------------------------------------------------------------------------------------- */

static NOINLINE void give_batch(struct marker *marker)
{
    gci_queue_exchange(marker, false);
}

/* Who waits for work gets it from so many units on. */
#define GIVE_UNITS_MIN 2u

ALWAYS_INLINE void push_unit(struct marker *marker, uint32_t unit, bool is_shared)
{
    if (!is_shared) {
        queue_push(marker->queue, unit);
        return;
    }
    marker->out[marker->out_count++] = unit;
    if (marker->out_count == BATCH_UNITS ||
        (marker->out_count >= GIVE_UNITS_MIN && u32_load(&marker->queue->waiting) != 0))
        give_batch(marker);
}

ALWAYS_INLINE bool any_unit_waits(const struct marker *marker, bool is_shared)
{
    if (!is_shared)
        return marker->queue->count != 0;
    return marker->in_next != marker->in_count || marker->out_count != 0 || u32_load(&marker->queue->available) != 0;
}

/* What meta.queued says of a unit. */
enum queue_way {
    NOT_QUEUED,
    QUEUED,
    QUEUED_LOCAL /* by an object of its own */
};

ALWAYS_INLINE void queue_unit(struct marker *marker, uint32_t unit, enum queue_way way, bool is_shared)
{
    u32_shared *queued = &marker->heap->meta.queued[unit];
    if (u32_load(queued) != NOT_QUEUED)
        return;
    if (!is_shared)
        u32_store(queued, way);
    else if (!u32_compare_and_swap(queued, NOT_QUEUED, way))
        return;
    push_unit(marker, unit, is_shared);
}

/* Before the marks are read: what is marked from here on queues the unit again. */
ALWAYS_INLINE enum queue_way unqueue_unit(struct marker *marker, uint32_t unit, bool is_shared)
{
    u32_shared *queued = &marker->heap->meta.queued[unit];
    if (is_shared)
        return (enum queue_way)u32_exchange(queued, NOT_QUEUED);
    enum queue_way way = (enum queue_way)u32_load(queued);
    u32_store(queued, NOT_QUEUED);
    return way;
}

/* ---- In hand ------------------------------------------------------------------------------------------------------ */

/* Objects under way from their bit to being scanned: enough for the memory to arrive meanwhile. */
#define RING_ENTRIES 16u

/* Marks under way from the word that points there to their bit. */
#define PROBES 8u

struct pending_scan {
    uintptr_t start;
    size_t bytes;
};

struct ring {
    uint32_t head;
    uint32_t count;
    struct pending_scan entries[RING_ENTRIES];
};

/* Where the mark of a candidate is, and how its unit is to be queued if the mark is new. */
struct probe {
    uint64_t *word;
    uint32_t unit;
    uint8_t bit;
    bool is_scanned; /* not an atomic object */
    uint8_t way;     /* enum queue_way */
};

/* Slots of a unit that are marked and not scanned yet, word by word. */
struct cursor {
    uint64_t due; /* of the word in hand */
    uintptr_t word_address;
    uint32_t bytes;
    uint32_t unit;
    uint32_t word;
    uint32_t words;
};

/* Nothing else points to it while a drain runs, so most of it can live in registers. */
struct hands {
    struct marker *marker;
    struct ring ring;
    struct cursor cursor;
    uint32_t next_probe;
    struct probe probes[PROBES];
};

/* What a probe that stands for none points at: every bit is set. */
static uint64_t no_mark = ~UINT64_C(0);

/* The caller has seen that there is room. */
ALWAYS_INLINE void add_to_ring(struct ring *ring, uintptr_t start, size_t bytes)
{
    GCI_ASSERT(ring->count < RING_ENTRIES);
    gci_cpu_prefetch((const void *)start); // NOLINT(performance-no-int-to-ptr)
    ring->entries[(ring->head + ring->count++) % RING_ENTRIES] = (struct pending_scan){start, bytes};
}

ALWAYS_INLINE struct pending_scan take_from_ring(struct ring *ring)
{
    struct pending_scan next = ring->entries[ring->head];
    ring->head = (ring->head + 1) % RING_ENTRIES;
    ring->count--;
    return next;
}

/* ---- A word ------------------------------------------------------------------------------------------------------- */

/* Every unit of a run is queued by itself: a run is marked once, so each of its units is in the queue once. */
static NOINLINE void mark_large(struct marker *marker, uintptr_t address, bool is_shared)
{
    struct heap *heap = marker->heap;
    struct object object = gci_resolve(heap, address);
    if (object.unit == 0 || !set_bit(&heap->meta.mark[object.unit][0], 1, is_shared) || object.kind == KIND_ATOMIC)
        return;
    for (uint32_t i = 0; i < block_at(heap, object.unit)->run_units; i++)
        push_unit(marker, object.unit + i, is_shared);
}

ALWAYS_INLINE bool is_candidate(const struct marker *marker, uintptr_t address)
{
    return address - marker->base < marker->limit_bytes;
}

/* For an address inside the heap's range, found in an object of `own_unit`. False: it is in no block, and has been dealt with.
 * Bits past the last slot are set, so they need no test of their own. */
ALWAYS_INLINE bool find_probe(struct marker *marker, uintptr_t address, uint32_t own_unit, struct probe *probe,
                              bool is_shared)
{
    const struct metadata *meta = &marker->heap->meta;
    uint32_t unit = (uint32_t)((address - marker->base) >> BLOCK_SHIFT);
    const struct hot *hot = &meta->hot[unit];
    if (UNLIKELY(hot->use != UNIT_SMALL)) {
        if (hot->use != UNIT_FREE)
            mark_large(marker, address, is_shared);
        return false;
    }
    uint32_t slot = slot_of_offset((uint32_t)(address & (BLOCK_BYTES - 1)), hot->reciprocal);
    *probe = (struct probe){.word = &meta->mark[unit][slot / BITS_PER_WORD],
                            .unit = unit,
                            .bit = slot % BITS_PER_WORD,
                            .is_scanned = hot_kind(*hot) != KIND_ATOMIC,
                            .way = unit == own_unit ? QUEUED_LOCAL : QUEUED};
    return true;
}

/* Alone, without a branch on what was marked before: nobody could predict it. Most units are in the queue already. */
ALWAYS_INLINE void mark_probed(struct marker *marker, struct probe probe, bool is_shared)
{
    if (is_shared) {
        if (set_bit(probe.word, UINT64_C(1) << probe.bit, true) && probe.is_scanned)
            queue_unit(marker, probe.unit, probe.way, true);
        return;
    }
    uint64_t seen = *probe.word;
    *probe.word = seen | UINT64_C(1) << probe.bit;
    if (UNLIKELY(~seen >> probe.bit & probe.is_scanned &
                 (u32_load(&marker->heap->meta.queued[probe.unit]) == NOT_QUEUED)))
        queue_unit(marker, probe.unit, probe.way, false);
}

/* Marks what was found some words ago; the mark of this one is fetched meanwhile. */
ALWAYS_INLINE void mark_later(struct hands *hands, uintptr_t address, uint32_t own_unit, bool is_shared)
{
    struct probe probe;
    if (!find_probe(hands->marker, address, own_unit, &probe, is_shared))
        return;
    gci_cpu_prefetch(probe.word);
    struct probe *place = &hands->probes[hands->next_probe++ % PROBES];
    struct probe due = *place;
    *place = probe;
    mark_probed(hands->marker, due, is_shared);
}

static NOINLINE void finish_probes(struct hands *hands, bool is_shared)
{
    for (unsigned i = 0; i < PROBES; i++) {
        struct probe due = hands->probes[i];
        hands->probes[i] = (struct probe){.word = &no_mark};
        if (due.word != NULL)
            mark_probed(hands->marker, due, is_shared);
    }
}

ALWAYS_INLINE void mark_now(struct marker *marker, uintptr_t address, uint32_t own_unit, bool is_shared)
{
    struct probe probe;
    if (!find_probe(marker, address, own_unit, &probe, is_shared) ||
        !set_bit(probe.word, UINT64_C(1) << probe.bit, is_shared) || !probe.is_scanned)
        return;
    marker->local_marks += probe.way == QUEUED_LOCAL;
    queue_unit(marker, probe.unit, probe.way, is_shared);
}

/* While no unit waits, none can gather marks, and what is new goes straight to the ring: the whole way of a list. */
ALWAYS_INLINE void mark_for_ring(struct hands *hands, uintptr_t address, bool is_shared)
{
    struct marker *marker = hands->marker;
    const struct metadata *meta = &marker->heap->meta;
    struct probe probe;
    if (!find_probe(marker, address, 0, &probe, is_shared) ||
        !set_bit(probe.word, UINT64_C(1) << probe.bit, is_shared) || !probe.is_scanned)
        return;
    if (hands->ring.count == RING_ENTRIES) {
        queue_unit(marker, probe.unit, QUEUED, is_shared);
        return;
    }
    uint32_t index = (uint32_t)(probe.word - meta->mark[probe.unit]);
    size_t bytes = (size_t)meta->hot[probe.unit].granules * GRANULE_BYTES;
    if (set_bit(&meta->scan[probe.unit][index], UINT64_C(1) << probe.bit, is_shared))
        add_to_ring(&hands->ring, unit_address(marker->heap, probe.unit) + (index * BITS_PER_WORD + probe.bit) * bytes,
                    bytes);
}

/* ---- Objects ------------------------------------------------------------------------------------------------------ */

/* Objects up to this size have few words that are pointers: each is a branch, which is predicted where a compressed list
 * of them would be waited for. */
#define FEW_BYTES_MAX 128u

/* An object whose memory has just come. One word after the other: its branches are decided sooner than those on a
 * comparison of several. */
ALWAYS_INLINE void scan_fetched(struct hands *hands, const lanes_word *words, size_t count, uint32_t unit,
                                bool is_shared)
{
    struct marker *marker = hands->marker;
    bool is_all_there_is = hands->cursor.due == 0 && !any_unit_waits(marker, is_shared);
    for (size_t i = 0; i < count; i++) {
        uintptr_t address = word_address(words[i]);
        if (!is_candidate(marker, address))
            continue;
        if (is_all_there_is)
            mark_for_ring(hands, address, is_shared);
        else
            mark_later(hands, address, unit, is_shared);
    }
}

/* One of many that lie side by side. */
ALWAYS_INLINE void scan_few(struct marker *marker, const lanes_word *words, size_t count, uint32_t unit, bool is_shared)
{
    for (size_t i = 0; i < count; i += LANES) {
        uint32_t mask = lanes_candidates(words + i, count - i, marker->base, marker->limit_bytes);
        for (; mask != 0; mask &= mask - 1)
            mark_now(marker, word_address(words[i + lowest_bit(mask)]), unit, is_shared);
    }
}

#define FOUND_MAX 64u

ALWAYS_INLINE void mark_all(struct marker *marker, const uintptr_t *found, size_t count, bool is_shared)
{
    for (size_t i = 0; i < count; i++)
        mark_now(marker, found[i], 0, is_shared);
}

READS_RAW_MEMORY static NOINLINE void scan_many(struct marker *marker, uintptr_t start, size_t bytes, bool is_shared)
{
    const lanes_word *words = (const lanes_word *)start; // NOLINT(performance-no-int-to-ptr)
    uintptr_t found[FOUND_MAX + LANES];
    size_t count = bytes / sizeof *words;
    size_t found_count = 0;
    size_t i = 0;
    marker->scanned_bytes += bytes;
    for (; i + LANES <= count; i += LANES) {
        found_count += lanes_compress(words + i, marker->base, marker->limit_bytes, found + found_count);
        if (found_count > FOUND_MAX) {
            mark_all(marker, found, found_count, is_shared);
            found_count = 0;
        }
    }
    mark_all(marker, found, found_count, is_shared);
    scan_few(marker, words + i, count - i, 0, is_shared);
}

READS_RAW_MEMORY ALWAYS_INLINE void scan_oldest(struct hands *hands, bool is_shared)
{
    struct pending_scan next = take_from_ring(&hands->ring);
    const lanes_word *words = (const lanes_word *)next.start; // NOLINT(performance-no-int-to-ptr)
    uint32_t unit = (uint32_t)((next.start - hands->marker->base) >> BLOCK_SHIFT);
    if (LIKELY(next.bytes <= FEW_BYTES_MAX))
        scan_fetched(hands, words, next.bytes / sizeof *words, unit, is_shared);
    else
        scan_many(hands->marker, next.start, next.bytes, is_shared);
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
    if (block->run_units >= SPARSE_UNITS_MIN && marker->pages != NULL)
        scan_written(marker, part, unit_address(heap, first) + block->usable_bytes, is_shared);
    else
        scan_many(marker, part.lo, bytes, is_shared);
}

/* ---- Blocks in order ---------------------------------------------------------------------------------------------- */

/* How far ahead of the object in hand: what 32 objects of a cache line take to scan. */
#define AHEAD_BYTES 2048u

/* A block is left to the ring when, past the first so many objects, less than one in LOCAL_SHARE marks something in it. */
#define LOCAL_TRIAL 16u
#define LOCAL_SHARE 4u

#define DENSE_SLOTS_MIN 32u

/* Whether many slots side by side are due, going by the first word of which any is. */
ALWAYS_INLINE bool is_dense(const struct metadata *meta, uint32_t unit, unsigned words)
{
    for (unsigned i = 0; i < words; i++) {
        uint64_t due = load_bits(&meta->mark[unit][i]) & ~load_bits(&meta->scan[unit][i]);
        if (due != 0)
            return count_bits(due) >= DENSE_SLOTS_MIN;
    }
    return false;
}

ALWAYS_INLINE uint64_t take_due(const struct metadata *meta, uint32_t unit, unsigned word, bool is_shared)
{
    return set_bits(&meta->scan[unit][word], load_bits(&meta->mark[unit][word]), is_shared);
}

/* Scans a block whose objects point at their neighbours, or many of which are due: in the order of their addresses, what is
 * found in the same block at once. A tree that was built in order is read like an array. False: neither is so, it seems. */
READS_RAW_MEMORY static NOINLINE bool scan_in_order(struct marker *marker, uint32_t unit, bool is_shared)
{
    const struct metadata *meta = &marker->heap->meta;
    const struct size_class *size_class = block_class(marker->heap, unit);
    uintptr_t start = unit_address(marker->heap, unit);
    uint64_t scanned = 0;
    marker->local_marks = 0;
    for (unsigned i = 0; i < size_class->words; i++, start += (uintptr_t)BITS_PER_WORD * size_class->bytes) {
        uint64_t due;
        while ((due = take_due(meta, unit, i, is_shared)) != 0) {
            scanned += count_bits(due);
            for (; due != 0; due &= due - 1) {
                uintptr_t at = start + (uintptr_t)lowest_bit(due) * size_class->bytes;
                gci_cpu_prefetch((const void *)(at + AHEAD_BYTES)); // NOLINT(performance-no-int-to-ptr)
                scan_few(marker, (const lanes_word *)at, size_class->bytes / sizeof(lanes_word), unit,
                         is_shared); // NOLINT
            }
        }
        if (scanned > LOCAL_TRIAL + LOCAL_SHARE * marker->local_marks && !is_dense(meta, unit, size_class->words))
            return false;
    }
    return true;
}

/* ---- Units -------------------------------------------------------------------------------------------------------- */

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

ALWAYS_INLINE void begin_block(struct hands *hands, uint32_t unit)
{
    const struct size_class *size_class = block_class(hands->marker->heap, unit);
    hands->cursor = (struct cursor){.unit = unit,
                                    .bytes = size_class->bytes,
                                    .words = size_class->words,
                                    .word_address = unit_address(hands->marker->heap, unit)};
}

/* Does what can be done at once with a unit of the queue, and leaves the rest to the cursor. */
ALWAYS_INLINE void begin_unit(struct hands *hands, uint32_t unit, bool is_shared)
{
    struct marker *marker = hands->marker;
    const struct metadata *meta = &marker->heap->meta;
    struct hot hot = meta->hot[unit];
    if (hot.use != UNIT_SMALL) {
        scan_large_unit(marker, unit, is_shared);
        return;
    }
    enum queue_way way = unqueue_unit(marker, unit, is_shared);
    bool may_be_in_order = (size_t)hot.granules * GRANULE_BYTES <= FEW_BYTES_MAX;
    if (!may_be_in_order || (way != QUEUED_LOCAL && !is_dense(meta, unit, gci_size_classes[hot_class(hot)].words)) ||
        !scan_in_order(marker, unit, is_shared))
        begin_block(hands, unit);
}

/* Slots that are due, of the unit in hand or of the next one in the queue. What was marked in a word while its slots were
 * scanned is due at once. False: no unit waits. */
ALWAYS_INLINE bool find_due(struct hands *hands, bool is_shared)
{
    struct cursor *cursor = &hands->cursor;
    uint32_t unit;
    for (;;) {
        for (; cursor->word < cursor->words; cursor->word++) {
            cursor->due = take_due(&hands->marker->heap->meta, cursor->unit, cursor->word, is_shared);
            if (cursor->due != 0)
                return true;
            cursor->word_address += (uintptr_t)cursor->bytes * BITS_PER_WORD;
        }
        if (!take_unit(hands->marker, &unit, is_shared))
            return false;
        begin_unit(hands, unit, is_shared);
    }
}

/* ---- Until nothing is left ---------------------------------------------------------------------------------------- */

ALWAYS_INLINE void fill_ring(struct hands *hands, bool is_shared)
{
    struct cursor *cursor = &hands->cursor;
    while (hands->ring.count < RING_ENTRIES && (cursor->due != 0 || find_due(hands, is_shared))) {
        add_to_ring(&hands->ring, cursor->word_address + (uintptr_t)lowest_bit(cursor->due) * cursor->bytes,
                    cursor->bytes);
        cursor->due &= cursor->due - 1;
    }
}

/* Until nothing is in hand and nothing is in the queue. */
ALWAYS_INLINE void drain_hands(struct hands *hands, bool is_shared)
{
    for (;;) {
        fill_ring(hands, is_shared);
        if (hands->ring.count == 0) {
            finish_probes(hands, is_shared);
            fill_ring(hands, is_shared);
            if (hands->ring.count == 0)
                return;
        }
        scan_oldest(hands, is_shared);
    }
}

static void drain_alone(struct marker *marker)
{
    struct hands hands = {.marker = marker};
    finish_probes(&hands, false);
    drain_hands(&hands, false);
}

static void drain_shared(struct marker *marker)
{
    struct hands hands = {.marker = marker};
    finish_probes(&hands, true);
    do
        drain_hands(&hands, true);
    while (gci_queue_exchange(marker, true));
}

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
    bool is_shared = marker->queue->is_shared;
    for (size_t i = 0; i < count; i += LANES) {
        uint32_t mask = lanes_candidates(words + i, count - i, marker->base, marker->limit_bytes + 1);
        for (; mask != 0; mask &= mask - 1) {
            uintptr_t address = word_address(words[i + lowest_bit(mask)]);
            if (is_candidate(marker, address))
                mark_now(marker, address, 0, is_shared);
            if (is_candidate(marker, address - 1))
                mark_now(marker, address - 1, 0, is_shared);
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
