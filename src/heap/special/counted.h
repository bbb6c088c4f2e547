/* SPDX-License-Identifier: MIT */
/* What lies in front of a counted or typed object: the slot begins with these 16 bytes, and the program's pointer is behind
 * them.
 *
 * States, kept in the upper 16 bits of `type_and_state`, and who moves on:
 *
 *   OWNED (id of a cache) --- owner's local count is 0, or merged from the inbox ---> MERGED (0: all count in `shared`)
 *   OWNED, MERGED --- no reference is left: the thread that finds out ---> DYING ---> DESTROYED ---> FREED
 *   OWNED, MERGED --- unreachable: the collector, world stopped ---> BATCH ---> BATCH_DESTROYED ---> FREED
 *   OWNED, MERGED --- gca_rc_make_immortal, or a count that overflows ---> IMMORTAL
 *   TYPED (no counts: the lower bits are the address of a layout) --- free ---> FREED
 *
 * `taken` and `given` are the owner's alone: how often it has retained and released, the first of them one ahead for the
 * reference that the object is made with. Their difference is its local count, at least 1 while it is owned. When `taken` is at
 * its end, both begin again. `shared` holds a signed count and flags.
 * From BATCH on all three are the link of a list. The object has shared + local references; the flag MERGED says that local is 0
 * for good.
 *
 * Invariant: in a slot that is not in the program's hands, or not initialised yet, the address in `type_and_state` is 0. So the
 * marker may follow any that it finds (sweep, frees and the making of blocks see to it).
 */
#ifndef GCI_HEAP_COUNTED_H
#define GCI_HEAP_COUNTED_H

#include "base/attributes.h"
#include "base/range.h"
#include "heap/heap.h"

struct counted {
    union {
        volatile shared_word type_and_state;
        struct {
            u16_shared type_parts[3];
            volatile u16_shared owner; /* all that the owner's steps need */
        };
    };
    union {
        struct {
            volatile u16_shared taken;
            volatile u16_shared given;
            volatile u32_shared shared;
        };
        uintptr_t link; /* from BATCH on: the next of its list */
    };
};
#define COUNTED_HEADER_BYTES 16u
STATIC_ASSERT(sizeof(struct counted) == COUNTED_HEADER_BYTES, "objects behind it stay aligned to 16");

/* Of the slot. An object of no bytes has one, so that its address lies in the slot and not in what follows. */
ALWAYS_INLINE size_t counted_slot_bytes(size_t object_bytes)
{
    return COUNTED_HEADER_BYTES + (object_bytes != 0 ? object_bytes : 1);
}

/* gca_layout of gcalloc.h and gca_type of gcalloc/rc.h, as the library below api knows them. */
struct layout {
    size_t bytes;
    size_t count;
    const size_t *offsets;
};

struct counted_type {
    const char *name;
    void (*destroy)(void *object);
    const struct layout *layout;
};

#define COUNTED_STATE_SHIFT 48
#define COUNTED_TYPE_MASK ((UINT64_C(1) << COUNTED_STATE_SHIFT) - 1)

enum counted_state {
    COUNTED_MERGED = 0, /* owned: ids of caches, below the next */
    COUNTED_OWNERS_END = 0xff00,
    COUNTED_TYPED = 0xfff9,
    COUNTED_FREED,
    COUNTED_IMMORTAL,
    COUNTED_BATCH,
    COUNTED_BATCH_DESTROYED,
    COUNTED_DYING,
    COUNTED_DESTROYED
};

/* Flags and unit of `shared`. */
#define SHARED_MERGED 1u
#define SHARED_WEAK 2u   /* has an entry for weak references, which goes before the object is destroyed */
#define SHARED_QUEUED 4u /* is in its owner's inbox, or on the way there: who takes it out sees whether it is dead */
#define SHARED_BUSY 8u   /* some thread's `busy` may name it (alloc/counts/count.h) */
#define SHARED_ONE 16u

/* What sets and clears the flag: its count is ahead meanwhile, by more than owners count in a local count. So who counts a
 * queued object, by addition, never sees an end that is none of its business. */
#define SHARED_QUEUE_STEP (SHARED_QUEUED + (UINT32_C(1) << 21) * SHARED_ONE)

/* Of `link`: one reference, the owner's, and nothing in `shared`. */
#define COUNTED_FIRST_REFERENCE ((uintptr_t)1)
#define LOCAL_COUNT_MAX UINT16_MAX

ALWAYS_INLINE int32_t shared_count(uint32_t shared)
{
    int32_t signed_shared = (int32_t)(shared & SHARED_QUEUED ? shared - SHARED_QUEUE_STEP : shared);
    return signed_shared / (int32_t)SHARED_ONE - (signed_shared < 0 && signed_shared % (int32_t)SHARED_ONE != 0);
}

/* No reference is left for good; who has found that out sees to the end of the object. */
ALWAYS_INLINE bool shared_is_dead(uint32_t shared)
{
    return (shared & (SHARED_MERGED | SHARED_QUEUED)) == SHARED_MERGED && shared_count(shared) == 0;
}

ALWAYS_INLINE void *counted_data(struct counted *counted)
{
    return (char *)counted + COUNTED_HEADER_BYTES;
}

ALWAYS_INLINE uint32_t counted_owner(const struct counted *counted)
{
    return u16_load(&counted->owner);
}

ALWAYS_INLINE uint16_t counted_local(const struct counted *counted)
{
    return (uint16_t)(u16_load(&counted->taken) - u16_load(&counted->given));
}

ALWAYS_INLINE void counted_set_local(struct counted *counted, uint16_t local)
{
    u16_store(&counted->taken, local);
    u16_store(&counted->given, 0);
}

ALWAYS_INLINE uint32_t counted_state(const struct counted *counted)
{
    return (uint32_t)(word_load(&counted->type_and_state) >> COUNTED_STATE_SHIFT);
}

ALWAYS_INLINE uintptr_t counted_type_word(const struct counted *counted)
{
    return word_load(&counted->type_and_state) & COUNTED_TYPE_MASK;
}

ALWAYS_INLINE const struct counted_type *counted_type(const struct counted *counted)
{
    return (const struct counted_type *)counted_type_word(counted); // NOLINT(performance-no-int-to-ptr)
}

ALWAYS_INLINE void counted_set_freed(struct counted *counted)
{
    word_store(&counted->type_and_state, (uint64_t)COUNTED_FREED << COUNTED_STATE_SHIFT);
}

ALWAYS_INLINE void counted_set_type_and_state(struct counted *counted, const struct counted_type *type, uint32_t state)
{
    word_store(&counted->type_and_state, (uintptr_t)type | (uint64_t)state << COUNTED_STATE_SHIFT);
}

ALWAYS_INLINE void counted_set_state(struct counted *counted, uint32_t state)
{
    counted_set_type_and_state(counted, counted_type(counted), state);
}

/* Where the pointers of the object are; NULL: any word may be one. */
ALWAYS_INLINE const struct layout *counted_layout(const struct counted *counted)
{
    const struct counted_type *type = counted_type(counted);
    if (type == NULL)
        return NULL;
    return counted_state(counted) == COUNTED_TYPED ? (const struct layout *)type : type->layout;
}

typedef uintptr_t MAY_ALIAS counted_word;

/* Visits the words of a part of the object that its layout names, and the link. */
READS_RAW_MEMORY ALWAYS_INLINE void counted_each_word(const struct counted *counted, const struct layout *layout,
                                                      struct range part, void (*visit)(void *data, uintptr_t word),
                                                      void *data)
{
    uintptr_t first = (uintptr_t)counted + COUNTED_HEADER_BYTES;
    uintptr_t before = part.lo > first ? (part.lo - first) / layout->bytes : 0;
    if (part.lo < first && counted_state(counted) >= COUNTED_BATCH)
        visit(data, counted->link);
    for (uintptr_t element = first + before * layout->bytes; element < part.hi; element += layout->bytes)
        for (size_t i = 0; i < layout->count; i++) {
            uintptr_t at = element + layout->offsets[i];
            if (at >= part.lo && at + sizeof(counted_word) <= part.hi)
                visit(data, *(const counted_word *)at); // NOLINT(performance-no-int-to-ptr)
        }
}

#endif
