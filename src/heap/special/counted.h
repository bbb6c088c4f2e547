/* SPDX-License-Identifier: MIT */
/* What lies in front of a counted object: the slot begins with these 16 bytes, and the program's pointer is behind them.
 *
 * States, kept in the upper 16 bits of `type_and_state`, and who moves on:
 *
 *   OWNED (id of a cache) --- owner's local count is 0, or merged from the inbox ---> MERGED (0: all count in `shared`)
 *   OWNED, MERGED --- no reference is left: the thread that finds out ---> DYING ---> DESTROYED ---> FREED
 *   OWNED, MERGED --- unreachable: the collector, world stopped ---> BATCH ---> BATCH_DESTROYED ---> FREED
 *   OWNED, MERGED --- gca_rc_make_immortal, or a count that overflows ---> IMMORTAL
 *
 * `local` is the owner's alone. `shared` holds a signed count and three flags, changed by compare-and-swap. From DYING on
 * both are the link of a list. The object has shared + local references; the flag MERGED says that local is 0 for good.
 */
#ifndef GCI_HEAP_COUNTED_H
#define GCI_HEAP_COUNTED_H

#include "heap/heap.h"

struct counted {
    volatile shared_word type_and_state;
    union {
        struct {
            uint32_t local;
            volatile u32_shared shared;
        };
        uintptr_t link; /* from DYING on: the next of its list */
    };
};
#define COUNTED_HEADER_BYTES 16u
STATIC_ASSERT(sizeof(struct counted) == COUNTED_HEADER_BYTES, "objects behind it stay aligned to 16");

/* gca_type of gcalloc/rc.h, as the library below api knows it. */
struct counted_type {
    const char *name;
    void (*destroy)(void *object);
    const void *layout;
};

#define COUNTED_STATE_SHIFT 48
#define COUNTED_TYPE_MASK ((UINT64_C(1) << COUNTED_STATE_SHIFT) - 1)

enum counted_state {
    COUNTED_MERGED = 0, /* owned: ids of caches, below the next */
    COUNTED_OWNERS_END = 0xff00,
    COUNTED_FREED = 0xfffa,
    COUNTED_IMMORTAL,
    COUNTED_BATCH,
    COUNTED_BATCH_DESTROYED,
    COUNTED_DYING,
    COUNTED_DESTROYED
};

/* Flags and unit of `shared`. */
#define SHARED_MERGED 1u
#define SHARED_WEAK 2u   /* has an entry for weak references: the last reference goes under their lock */
#define SHARED_QUEUED 4u /* is in its owner's inbox: who takes it out there sees whether it is dead */
#define SHARED_ONE 8u

ALWAYS_INLINE int32_t shared_count(uint32_t shared)
{
    return (int32_t)shared / (int32_t)SHARED_ONE - ((int32_t)shared < 0 && shared % SHARED_ONE != 0);
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

ALWAYS_INLINE void counted_set_state(struct counted *counted, uint32_t state)
{
    word_store(&counted->type_and_state, counted_type_word(counted) | (uint64_t)state << COUNTED_STATE_SHIFT);
}

#endif
