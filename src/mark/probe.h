/* SPDX-License-Identifier: MIT */
/* From a word to its mark: what the loops of mark/kernel.c do with each word, and what they have in hand meanwhile. All of it
 * is inlined there, once for a marker that is alone and once for several.
 */
#ifndef GCI_MARK_PROBE_H
#define GCI_MARK_PROBE_H

#include "base/assert.h"
#include "base/bits.h"
#include "heap/block.h"
#include "heap/resolve.h"
#include "mark/marker.h"
#include "platform/cpu.h"

ALWAYS_INLINE uint64_t load_bits(const uint64_t *at)
{
    return word_load((const volatile shared_word *)at);
}

ALWAYS_INLINE void store_bits(uint64_t *at, uint64_t bits)
{
    word_store((volatile shared_word *)at, bits);
}

/* Whether the caller is the one that set the bit. */
ALWAYS_INLINE bool set_bit(uint64_t *at, uint64_t bit, bool is_shared)
{
    uint64_t seen = load_bits(at);
    while (!(seen & bit)) {
        if (!is_shared) {
            store_bits(at, seen | bit);
            return true;
        }
        if (word_compare_and_swap((volatile shared_word *)at, seen, seen | bit))
            return true;
        seen = load_bits(at);
    }
    return false;
}

/* What does not change while marking: copies, which the compiler can keep in registers. */
struct view {
    struct marker *marker;
    const struct hot *hot;
    uint64_t (*mark)[BITMAP_WORDS];
    uint64_t (*scan)[BITMAP_WORDS];
    u32_shared *queued;
    uintptr_t base;
    size_t limit_bytes;
    bool is_shared;
};

ALWAYS_INLINE struct view view_of(struct marker *marker, bool is_shared)
{
    const struct metadata *meta = &marker->heap->meta;
    return (struct view){marker,       meta->hot,    meta->mark,          meta->scan,
                         meta->queued, marker->base, marker->limit_bytes, is_shared};
}

/* Marked and not scanned yet; from here on it counts as scanned. Two markers that scan the same unit at once may both take an
 * object, as neither's store waits for the other's: then it is scanned twice, which is rare and does no harm. */
ALWAYS_INLINE uint64_t take_due(const struct view *view, uint32_t unit, unsigned word)
{
    uint64_t scanned = load_bits(&view->scan[unit][word]);
    uint64_t due = load_bits(&view->mark[unit][word]) & ~scanned;
    if (due != 0)
        store_bits(&view->scan[unit][word], scanned | due);
    return due;
}

/* ---- Units -------------------------------------------------------------------------------------------------------- */

/* Who waits for work gets it from so many units on. */
#define GIVE_UNITS_MIN 2u

static NOINLINE void push_unit(struct marker *marker, uint32_t unit, bool is_shared)
{
    if (!is_shared) {
        queue_push(marker->queue, unit);
        return;
    }
    marker->out[marker->out_count++] = unit;
    if (marker->out_count == BATCH_UNITS ||
        (marker->out_count >= GIVE_UNITS_MIN && u32_load(&marker->queue->waiting) != 0))
        gci_queue_exchange(marker, false);
}

ALWAYS_INLINE bool any_unit_waits(const struct view *view)
{
    const struct marker *marker = view->marker;
    if (!view->is_shared)
        return marker->queue->count != 0;
    return marker->in_next != marker->in_count || marker->out_count != 0 || u32_load(&marker->queue->available) != 0;
}

/* What meta.queued says of a unit. */
enum queue_way {
    NOT_QUEUED,
    QUEUED,
    QUEUED_LOCAL /* by an object of its own */
};

/* Most units are in the queue already. */
ALWAYS_INLINE void queue_unit(const struct view *view, uint32_t unit, enum queue_way way)
{
    u32_shared *queued = &view->queued[unit];
    if (LIKELY(u32_load(queued) != NOT_QUEUED))
        return;
    if (!view->is_shared)
        u32_store(queued, way);
    else if (!u32_compare_and_swap(queued, NOT_QUEUED, way))
        return;
    push_unit(view->marker, unit, view->is_shared);
}

/* Before the marks are read: what is marked from here on queues the unit again. */
ALWAYS_INLINE enum queue_way unqueue_unit(const struct view *view, uint32_t unit)
{
    u32_shared *queued = &view->queued[unit];
    if (view->is_shared)
        return (enum queue_way)u32_exchange(queued, NOT_QUEUED);
    enum queue_way way = (enum queue_way)u32_load(queued);
    u32_store(queued, NOT_QUEUED);
    return way;
}

/* ---- In hand ------------------------------------------------------------------------------------------------------ */

/* Objects under way from their bit to being scanned: enough for the memory to arrive meanwhile. */
#define RING_ENTRIES 16u

/* Of each object under way: what follows, the processor fetches by itself. */
#define FETCHED_BYTES_MAX 512u

/* Marks under way from the word that points there to their bit. */
#define PROBES 8u

/* Beside the start of an object of KIND_HEADED, whose header may tell which words are pointers. It comes with the block's
 * address, so that telling costs the others a test of what is in hand. */
#define HEADED_TAG 1u

struct pending_scan {
    uintptr_t start; /* and HEADED_TAG */
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
    uint64_t due;           /* of the word in hand */
    uintptr_t word_address; /* and HEADED_TAG */
    uint32_t bytes;
    uint32_t unit; /* 0: none */
    uint32_t word;
    uint32_t words;
};

/* Of those that are under way the oldest is entries[next], once all places are taken. */
struct probes {
    uint32_t next;
    uint32_t count;
    struct probe entries[PROBES];
};

struct hands {
    struct view view;
    struct ring ring;
    struct cursor cursor;
    struct probes probes;
};

/* The caller has seen that there is room. */
ALWAYS_INLINE void add_to_ring(struct ring *ring, uintptr_t start, size_t bytes)
{
    GCI_ASSERT(ring->count < RING_ENTRIES);
    size_t fetched = bytes < FETCHED_BYTES_MAX ? bytes : FETCHED_BYTES_MAX;
    for (size_t at = 0; at < fetched; at += CACHE_LINE_BYTES)
        gci_cpu_prefetch((const void *)(start + at)); // NOLINT(performance-no-int-to-ptr)
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

/* Of the bytes of the heap; at least limit_bytes for a word that points elsewhere. */
ALWAYS_INLINE uintptr_t offset_of(const struct view *view, uintptr_t word)
{
    return word_address(word) - view->base;
}

/* For a byte of the heap, found in an object of `own_unit`. False: it is in no block, and has been dealt with. Bits past the
 * last slot are set, so they need no test of their own. */
ALWAYS_INLINE bool find_probe(const struct view *view, uintptr_t offset, uint32_t own_unit, struct probe *probe)
{
    uint32_t unit = (uint32_t)(offset >> BLOCK_SHIFT);
    struct hot hot = view->hot[unit];
    if (UNLIKELY(hot.use != UNIT_SMALL)) {
        if (hot.use != UNIT_FREE)
            mark_large(view->marker, view->base + offset, view->is_shared);
        return false;
    }
    uint32_t slot = slot_of_offset((uint32_t)(offset & (BLOCK_BYTES - 1)), hot.reciprocal);
    *probe = (struct probe){.word = &view->mark[unit][slot / BITS_PER_WORD],
                            .unit = unit,
                            .bit = slot % BITS_PER_WORD,
                            .is_scanned = hot_kind(hot) != KIND_ATOMIC,
                            .way = unit == own_unit ? QUEUED_LOCAL : QUEUED};
    return true;
}

/* Alone, without a branch on what was marked before: nobody could predict it. */
ALWAYS_INLINE void mark_probed(const struct view *view, struct probe probe)
{
    if (view->is_shared) {
        if (set_bit(probe.word, UINT64_C(1) << probe.bit, true) && probe.is_scanned)
            queue_unit(view, probe.unit, probe.way);
        return;
    }
    uint64_t seen = *probe.word;
    *probe.word = seen | UINT64_C(1) << probe.bit;
    if (UNLIKELY(~seen >> probe.bit & probe.is_scanned & (u32_load(&view->queued[probe.unit]) == NOT_QUEUED)))
        queue_unit(view, probe.unit, probe.way);
}

/* Marks what was found some words ago; the mark of this one is fetched meanwhile. */
ALWAYS_INLINE void mark_later(const struct view *view, struct probes *probes, uintptr_t offset, uint32_t own_unit)
{
    struct probe *place = &probes->entries[probes->next];
    struct probe due = *place;
    if (!find_probe(view, offset, own_unit, place))
        return;
    gci_cpu_prefetch(place->word);
    probes->next = (probes->next + 1) % PROBES;
    if (LIKELY(probes->count == PROBES))
        mark_probed(view, due);
    else
        probes->count++;
}

ALWAYS_INLINE void finish_probes(const struct view *view, struct probes *probes)
{
    for (uint32_t i = probes->next + PROBES - probes->count; probes->count > 0; i++, probes->count--)
        mark_probed(view, probes->entries[i % PROBES]);
}

ALWAYS_INLINE void mark_now(const struct view *view, uintptr_t offset)
{
    struct probe probe;
    if (find_probe(view, offset, 0, &probe) && set_bit(probe.word, UINT64_C(1) << probe.bit, view->is_shared) &&
        probe.is_scanned)
        queue_unit(view, probe.unit, QUEUED);
}

ALWAYS_INLINE uintptr_t headed_tag(struct hot hot)
{
    return hot_kind(hot) == KIND_HEADED ? HEADED_TAG : 0;
}

/* While no unit waits, none can gather marks, and what is new goes straight to the ring: the whole way of a list. The object is
 * fetched before its bits are looked at: with several markers nothing behind the atomic step on a bit would begin before it. */
ALWAYS_INLINE void mark_for_ring(struct hands *hands, uintptr_t offset)
{
    const struct view *view = &hands->view;
    struct probe probe;
    gci_cpu_prefetch((const void *)(view->base + offset)); // NOLINT(performance-no-int-to-ptr)
    if (!find_probe(view, offset, 0, &probe))
        return;
    uint32_t index = (uint32_t)(probe.word - view->mark[probe.unit]);
    gci_cpu_prefetch(&view->scan[probe.unit][index]);
    if (!set_bit(probe.word, UINT64_C(1) << probe.bit, view->is_shared) || !probe.is_scanned)
        return;
    if (hands->ring.count == RING_ENTRIES) {
        queue_unit(view, probe.unit, QUEUED);
        return;
    }
    size_t bytes = (size_t)view->hot[probe.unit].granules * GRANULE_BYTES;
    uintptr_t start = view->base + ((uintptr_t)probe.unit << BLOCK_SHIFT) + (index * BITS_PER_WORD + probe.bit) * bytes;
    if (set_bit(&view->scan[probe.unit][index], UINT64_C(1) << probe.bit, false))
        add_to_ring(&hands->ring, start | headed_tag(view->hot[probe.unit]), bytes);
}

#endif
