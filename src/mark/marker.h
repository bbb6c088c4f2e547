/* SPDX-License-Identifier: MIT */
/* What the files of this folder share: the state of one marker, and the queue of units that all markers share.
 *
 * Alone, a marker keeps units in the queue itself. Several exchange them in batches, first in, first out, so that marks
 * gather in a unit while it waits. A batch is given away early when somebody waits for work.
 *
 * Argument for the end. A marker waits only with nothing in hand: no unit, nothing in its ring. Work comes only out of
 * units and rings in hand, or from roots, and whoever finds roots does not wait. So when all that have come wait and the
 * queue is empty, nothing is left anywhere; the last one to wait sees that, as both are counted under the lock. One that
 * comes later finds the end and goes. Nobody sleeps through it: `calls` is read under the lock, changed under it, and
 * is what sleepers sleep on.
 *
 * Argument for units. A marker sets the bit of an object, then looks whether the unit is queued; who scans a unit says that
 * it is not queued any more, then reads the bits. Both steps are full barriers, so either the scanner sees the bit or the
 * marker sees that the unit has to be queued again. What a marker finds in a unit that it scans in order it keeps to itself
 * until it has scanned that too, and then sets the bits: they need no queue. Two may scan a unit at once, and neither waits
 * for the other's `scan` bits: at worst both scan an object.
 */
#ifndef GCI_MARK_MARKER_H
#define GCI_MARK_MARKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "heap/heap.h"
#include "platform/pages.h"
#include "platform/sync.h"

/* Units that change hands at once; a unit takes microseconds, taking the lock a tenth of one. */
#define BATCH_UNITS 32u

struct unit_queue {
    uint32_t *entries; /* of the heap's metadata: one for each unit, as each is in it once */
    uint32_t capacity;
    bool is_shared; /* the rest is guarded by the lock, else the one marker's */
    struct lock lock;
    uint32_t head;
    uint32_t count;
    uint32_t markers; /* that have come */
    bool is_over;
    volatile u32_shared waiting;   /* these three are read without the lock as hints */
    volatile u32_shared available; /* = count */
    volatile u32_shared calls;     /* counts up whenever who waits should look again */
};

/* One marker's state; lives as long as one collection. */
struct marker {
    struct heap *heap;
    struct unit_queue *queue;
    const struct page_reader *pages; /* NULL: what was never written cannot be told */
    uintptr_t base;
    size_t limit_bytes;
    uint64_t scanned_bytes; /* of objects larger than a few words */
    uint32_t in_next; /* units in hand: in[in_next] to in[in_count - 1], and those found and not given to others yet */
    uint32_t in_count;
    uint32_t out_count;
    uint32_t in[BATCH_UNITS];
    uint32_t out[BATCH_UNITS];
    struct range written; /* the last answer of `pages`: nothing was written from where it was asked up to written.lo */
    uintptr_t asked_from;
};

/* The two parts of marking that are compiled for each set of instructions (platform/cpu.h). */
struct kernel {
    void (*mark_roots)(struct marker *marker, const uintptr_t *words, size_t count);
    void (*drain)(struct marker *marker); /* until nothing is left anywhere */
};
extern const struct kernel gci_kernel_scalar HIDDEN;
extern const struct kernel gci_kernel_avx2 HIDDEN;
extern const struct kernel gci_kernel_avx512 HIDDEN;

/* For the one marker of the queue, or with the lock held. */
ALWAYS_INLINE void queue_push(struct unit_queue *queue, uint32_t unit)
{
    GCI_ASSERT(queue->count < queue->capacity);
    uint32_t at = queue->head + queue->count;
    queue->entries[at < queue->capacity ? at : at - queue->capacity] = unit;
    queue->count++;
}

ALWAYS_INLINE uint32_t queue_pop(struct unit_queue *queue)
{
    uint32_t unit = queue->entries[queue->head];
    if (++queue->head == queue->capacity)
        queue->head = 0;
    queue->count--;
    return unit;
}

/* A further marker comes; false: everything is done already. */
bool gci_queue_join(struct unit_queue *queue);

/* Gives the units that the marker has found to the queue, and takes a batch if it has none in hand. False: nothing was
 * there; with `may_wait`, it is the end. */
bool gci_queue_exchange(struct marker *marker, bool may_wait);

#endif
