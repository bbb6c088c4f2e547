/* SPDX-License-Identifier: MIT */
/* Objects that the profiler has chosen, and what it wrote down about each: the door between allocator, sweep and profiler.
 *
 * A chosen object is large, or lies in a block of chosen ones: such a block belongs to the second cache of a thread
 * (heap/cache.h: sampled) and is never open to ordinary requests, so its `custody` is never equal to a thread's id, and each
 * free takes the slow path, which asks here. Frees of all other objects know nothing of it, nor does the marker.
 *
 * Records lie in a range of their own, one for each granule of the region: that of a slot is found by unit and slot. The range
 * is reserved when the first profile starts and stays; as far as `ready_units` there is memory. Invariants: `origin` of a slot
 * that is not in the program's hands is 0; taking a record out is one atomic step, so of two that free the object one has
 * it. A slot of such a block without a record is an object that nobody knows more about.
 */
#ifndef GCI_HEAP_SAMPLE_H
#define GCI_HEAP_SAMPLE_H

#include "heap/block.h"
#include "heap/heap.h"

struct sample {
    volatile shared_word origin; /* not 0; the profiler's own (profile/sites.h) */
    float weight;                /* objects that it stands for */
    uint32_t bytes;              /* asked for; of a large object in `origin` of the record behind it */
};
STATIC_ASSERT(sizeof(struct sample) == GRANULE_BYTES, "a record for each granule");

enum sample_end { SAMPLE_FREED, SAMPLE_RECLAIMED };

/* What the profiler does; NULL while there is no profile. `born` and `gone` are called in critical sections or by the sweep, the
 * others in none. Only `choose` and `record` take locks. */
struct sample_hooks {
    /* Bytes that the calling thread may ask for until its next sample. NULL: all are chosen. */
    uint64_t (*distance)(void);
    /* Of an object that is about to be allocated; false: not this one. In no critical section, but for calls from signal
     * handlers, which are refused. */
    bool (*choose)(size_t bytes, struct sample *sample);
    void (*born)(const struct sample *sample, size_t bytes, uintptr_t address);
    void (*gone)(const struct sample *sample, size_t bytes, uintptr_t address, enum sample_end end);

    /* The short ways, for small objects in blocks of chosen ones. */

    /* Where all are chosen: chooses, writes the record and tells of the birth at once, for `block`, which is allocated; returns
     * it. NULL where `distance` is not. */
    void *(*record)(size_t bytes, void *block, struct sample *record);
    /* The object at `address` has been freed by the thread whose cache it belongs to. What its record held; origin is not 0. */
    void (*freed)(uint64_t origin, size_t bytes, uintptr_t address, float weight);
};

extern const struct sample_hooks *volatile gci_sample_hooks HIDDEN;

/* Threads draw a new distance when this has changed. */
extern volatile u32_shared gci_sample_draw HIDDEN;

/* Memory for records of the whole region or, where the system gives less, of a part of it. Idempotent; one at a time.
 * 0 or ENOMEM. */
int gci_sample_reserve(struct heap *heap);

/* Makes the reservation fit into `address_space` bytes, as far as what is ready allows; region lock. */
void gci_sample_shrink(struct heap *heap, size_t address_space);

/* All of that memory; {0, 0} where there is none. */
struct range gci_sample_range(const struct heap *heap);

/* The unit's records can be written; critical section. False: no memory for them. */
bool gci_sample_prepare(struct heap *heap, uint32_t unit);

/* Units that are nobody's go back to the system: the memory of their records too. */
void gci_sample_forget(const struct heap *heap, uint32_t first, uint32_t count);

/* The object's record is written and the profiler told. The unit is prepared. */
void gci_sample_put(struct heap *heap, uint32_t unit, uint32_t slot, const struct sample *sample, size_t bytes);

/* The object goes: its record, if it has one, is taken out and the profiler told. Before the slot can be used again. `alone`:
 * nobody else can be freeing it at this moment, but by mistake. */
void gci_sample_take(struct heap *heap, uint32_t unit, uint32_t slot, enum sample_end end, bool alone);

/* As gci_sample_take for the slots of one bitmap word; world stopped. */
void gci_sample_take_word(struct heap *heap, uint32_t unit, unsigned index, uint64_t slots, enum sample_end end);

ALWAYS_INLINE struct sample *sample_at(const struct heap *heap, uint32_t unit, uint32_t slot)
{
    return heap->samples + (size_t)unit * (BLOCK_BYTES / GRANULE_BYTES) + slot;
}

/* Of that slot of the block that `offset`, from the heap's base on, lies in: as large as the block are its records. */
ALWAYS_INLINE struct sample *sample_in_block(const struct heap *heap, uintptr_t offset, size_t slot)
{
    STATIC_ASSERT(sizeof(struct sample) == GRANULE_BYTES, "records of a block take BLOCK_BYTES");
    char *records = (char *)heap->samples + (offset & ~(uintptr_t)(BLOCK_BYTES - 1));
    return (struct sample *)records + slot;
}

ALWAYS_INLINE struct sample *sample_of_small(const void *block)
{
    uintptr_t offset = (uintptr_t)block - gci_heap.base;
    uint32_t reciprocal = gci_heap.meta.hot[offset >> BLOCK_SHIFT].reciprocal;
    return sample_in_block(&gci_heap, offset, slot_of_offset(offset % BLOCK_BYTES, reciprocal));
}

/* As gci_sample_put for a small object at `address`. */
ALWAYS_INLINE void sample_put_small(struct sample *record, const struct sample *sample, size_t bytes, uintptr_t address)
{
    const struct sample_hooks *hooks = gci_sample_hooks;
    record->weight = sample->weight;
    record->bytes = (uint32_t)bytes;
    word_store_release(&record->origin, word_load(&sample->origin));
    if (LIKELY(hooks != NULL))
        hooks->born(sample, bytes, address);
}

/* What is known of an object that is allocated: NULL where there is nothing. The caller keeps the object from going. */
const struct sample *gci_sample_find(const struct heap *heap, uint32_t unit, uint32_t slot);

/* Bytes that were asked for, of a record that was found. */
size_t gci_sample_bytes(const struct heap *heap, uint32_t unit, const struct sample *sample);

/* Visits every record, in the order of addresses. What threads do meanwhile may be seen or not. */
typedef void (*sample_visit_fn)(const struct sample *sample, uint32_t unit, uint32_t slot, void *data);
void gci_sample_each(const struct heap *heap, sample_visit_fn visit, void *data);

#endif
