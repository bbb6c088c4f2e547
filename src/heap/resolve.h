/* SPDX-License-Identifier: MIT */
/* The one door from a word to an object: used by the marker, free, realloc and every question about addresses.
 *
 * Any address may be passed; word_address makes one of a word that may carry a tag. The answer says where the object is
 * and whether its memory is handed out; it takes no lock and is exact for blocks that cannot be given back meanwhile:
 * while the world is stopped, or where the caller holds a pointer to the block.
 */
#ifndef GCI_HEAP_RESOLVE_H
#define GCI_HEAP_RESOLVE_H

#include "base/bits.h"
#include "heap/block.h"
#include "heap/heap.h"

/* Programs keep tags in the 16 bits that no address of theirs needs: counters of lock-free lists, types of boxed values. */
#define ADDRESS_BITS 48u

ALWAYS_INLINE uintptr_t word_address(uintptr_t word)
{
    return word & ((UINT64_C(1) << ADDRESS_BITS) - 1);
}

struct object {
    uintptr_t start;
    size_t bytes;
    uint32_t unit; /* the block's, or the first of a run; 0: no object there */
    uint32_t slot; /* 0 in a run */
    enum block_kind kind;
    bool is_large;
};

/* One past the end of a large object still is in it: the run may have no slack behind it, and the next run's own start
 * is handled by the root rule (mark/mark.h). */
static inline struct object resolve_large(const struct heap *heap, uint32_t unit, uintptr_t address)
{
    struct hot hot = heap->meta.hot[unit];
    if (hot.use == UNIT_LARGE_REST)
        unit -= hot.reciprocal;
    const struct block *block = block_at(heap, unit);
    struct object object = {.start = unit_address(heap, unit),
                            .bytes = block->usable_bytes,
                            .unit = unit,
                            .kind = hot_kind(hot),
                            .is_large = true};
    if (address - object.start > object.bytes)
        object.unit = 0;
    return object;
}

static inline struct object resolve_small(const struct heap *heap, uint32_t unit, uintptr_t address)
{
    struct hot hot = heap->meta.hot[unit];
    const struct size_class *size_class = &gci_size_classes[hot_class(hot)];
    uint32_t slot = slot_of_offset((uint32_t)(address & (BLOCK_BYTES - 1)), hot.reciprocal);
    return (struct object){.start = unit_address(heap, unit) + (uintptr_t)slot * size_class->bytes,
                           .bytes = size_class->bytes,
                           .unit = slot < size_class->slots ? unit : 0,
                           .slot = slot,
                           .kind = hot_kind(hot)};
}

static inline struct object gci_resolve(const struct heap *heap, uintptr_t address)
{
    struct object none = {0};
    if (!heap_contains(heap, address))
        return none;
    uint32_t unit = (uint32_t)((address - heap->base) >> BLOCK_SHIFT);
    switch (heap->meta.hot[unit].use) {
    case UNIT_SMALL:
        return resolve_small(heap, unit, address);
    case UNIT_LARGE:
    case UNIT_LARGE_REST:
        return resolve_large(heap, unit, address);
    default:
        return none;
    }
}

/* Whether the slot is in the program's hands. Who frees a large object takes it into custody first. */
static inline bool object_is_allocated(const struct heap *heap, struct object object)
{
    if (object.unit == 0)
        return false;
    if (object.is_large)
        return block_owner(block_at(heap, object.unit)) != OWNER_NOBODY;
    unsigned index = object.slot / BITS_PER_WORD;
    return !(block_free_bits(block_at(heap, object.unit), index) >> (object.slot % BITS_PER_WORD) & 1);
}

#endif
