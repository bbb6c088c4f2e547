/* SPDX-License-Identifier: MIT */
/* The heap: one reserved range of addresses cut into units of 64 KiB, and all metadata in arrays beside it.
 *
 * A unit is free, or a block of equal slots, or part of a run that holds one large object. Nothing of ours lies in the
 * user's memory. Everything about unit u is found by indexing with u: the hot word that every lookup reads, the
 * descriptor, which holds two bitmaps with one bit for each slot, and two more bitmaps.
 *
 * Bitmaps of a block, bit = slot:
 *   free     not handed out. Written by the block's owner, by the collector while the world is stopped, by nobody else.
 *   remote   freed by a thread that is not the owner; moved to `free` by the owner when it looks for slots.
 *   mark     while the collector marks: reachable, or free before it began, or past the last slot.
 *   scan     the part of `mark` that has been scanned. Between cycles: slots that the last sweep reclaimed.
 *
 * Locks, outermost first: class locks (one for each size class: lists of abandoned and woken blocks), region lock
 * (groups, frontier). They are only taken inside critical sections (world/critical.h), so no thread is ever stopped
 * while it holds one.
 */
#ifndef GCI_HEAP_HEAP_H
#define GCI_HEAP_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/range.h"
#include "heap/size_class.h"
#include "platform/sync.h"

enum block_kind {
    KIND_SCANNED,       /* searched for pointers */
    KIND_ATOMIC,        /* holds no pointers */
    KIND_UNCOLLECTABLE, /* a root until freed */
    KIND_HEADED, /* counted or typed: begins with a header that tells where pointers are (heap/special/counted.h) */
    KIND_COUNT
};

enum unit_use { UNIT_FREE, UNIT_SMALL, UNIT_LARGE, UNIT_LARGE_REST };

/* One load tells a lookup all about a unit. Written by whoever takes or gives the unit, and constant in between. */
struct hot {
    uint32_t reciprocal; /* UNIT_SMALL: of the class; UNIT_LARGE_REST: units back to the run's first */
    uint16_t
        granules; /* UNIT_SMALL: size of a slot; UNIT_FREE: the same, if all that lies there comes from such slots */
    uint8_t class_kind; /* class | kind << 6; UNIT_FREE: past | kind << 6 */
    uint8_t use;        /* enum unit_use */
};
STATIC_ASSERT(sizeof(struct hot) == 8, "the hot word is one word");

/* What a free unit was before, for the message about a pointer into it, and for whoever uses the memory next. */
enum unit_past { PAST_NEVER_USED, PAST_FREED, PAST_RECLAIMED };

#define BITMAP_WORDS (BLOCK_BYTES / GRANULE_BYTES / 64)

#define UNITS_PER_GROUP 32u /* 2 MiB: commit, huge page and release */

/* Guarded by the region lock. */
struct group {
    uint32_t free_units;  /* bit set: unit is free */
    uint32_t clean_units; /* bit set: the unit reads as zero and has no memory behind it */
    uint32_t kind;        /* enum block_kind, or one of GROUP_* */
    uint32_t idle_since;  /* in milliseconds of the coarse clock: when a unit of the group was last given back */
    uint32_t huge_units;  /* bit set: a huge page may have put memory behind the unit before it was used */
};
/* What programs get from this system without asking. */
enum huge_habit { HUGE_UNKNOWN, HUGE_ON_REQUEST, HUGE_USUAL };

#define GROUP_UNUSED 0x10u
#define GROUP_LARGE 0x11u

struct unit_list {
    uint32_t head; /* unit, 0 = empty: unit 0 is never handed out */
    uint32_t tail;
};

struct block;
struct cache;
struct sample;

/* Arrays by unit, reserved for the whole region and committed as far as the frontier. */
struct metadata {
    struct hot *hot;
    struct block *blocks;
    uint64_t (*mark)[BITMAP_WORDS];
    uint64_t (*scan)[BITMAP_WORDS];
    uint32_t *queue;    /* of the marker: one entry for each unit */
    u32_shared *queued; /* of the marker: the unit is in the queue */
    struct group *groups;
    struct range reserved; /* all of them and the bump area */
    uintptr_t bump_start;
    uintptr_t bump_next;
    uintptr_t bump_committed;
};

struct heap {
    /* Read by everybody, written under the region lock. */
    uintptr_t base;
    volatile shared_word limit_bytes; /* bytes from base that are committed: every address that can be a block's */
    struct metadata meta;

    /* Atomic: memory that has been handed out at least once, in blocks and runs that are in use. Slots of a block that
     * were never handed out are not counted: they have cost no memory yet. */
    volatile shared_word touched_bytes;
    volatile shared_word peak_bytes;

    /* Atomic: see heap/release.h. */
    volatile shared_word noted_bytes;
    volatile shared_word note_limit;
    void (*on_worth)(void); /* NULL: nobody wants to know */

    /* Guarded by the region lock. */
    struct helper *helpers;                 /* these three: collector's (mark/mark.c, mark/verify.c) */
    uint64_t (*verify_marks)[BITMAP_WORDS]; /* of verify_units units */
    uint32_t verify_units;
    uint64_t (*frozen)[BITMAP_WORDS]; /* collector's: objects that stay, of frozen_units units; the array is longer */
    uint32_t frozen_units;
    uint32_t frozen_capacity;
    struct lock region_lock;
    uint32_t unit_limit;  /* units reserved */
    uint32_t frontier;    /* units committed; the rest have never been touched */
    uint32_t lowest_free; /* no group below has a free unit */
    volatile shared_word released_bytes;
    volatile u32_shared prefers_huge; /* some group does; written under the region lock */
    enum huge_habit huge_habit;
    volatile shared_word bump_bytes;
    struct sample *samples; /* these three: heap/special/sample.h */
    uint32_t sample_units;
    volatile u32_shared sample_ready_units;
    struct cache **caches;           /* by id, from 1; grows only, so entries are read without the lock */
    volatile u32_shared cache_count; /* written after the entry */
    uint32_t kept_units_max;         /* of all caches, goes with unit_limit; read without the lock */

    /* Each guarded by the class's lock. Blocks of chosen objects (heap/special/sample.h) are for caches of such alone. */
    struct lock class_locks[CLASS_COUNT];
    struct unit_list abandoned[KIND_COUNT][CLASS_COUNT];
    struct unit_list abandoned_sampled[KIND_COUNT][CLASS_COUNT];
};

/* The one heap of the process; unit tests make others. */
extern struct heap gci_heap HIDDEN;

/* Wholly free units that threads keep (heap/cache.h), all together: 32 MiB, or such a share of a small region. Where nothing is
 * collected nobody else gets at them when it is full. */
#define KEPT_UNITS_OF_ALL 512u
#define KEPT_REGION_SHARE 16u

/* Region lock, or nobody else is there. */
static inline void heap_set_unit_limit(struct heap *heap, uint32_t units)
{
    uint32_t share = units / KEPT_REGION_SHARE;
    heap->unit_limit = units;
    heap->kept_units_max = share < KEPT_UNITS_OF_ALL ? share : KEPT_UNITS_OF_ALL;
}

/* Reserves the region: 1 TiB, or half of what the process may still map. 0 or ENOMEM. Not thread-safe. */
int gci_heap_init(struct heap *heap);
void gci_heap_fini(struct heap *heap); /* unit tests: gives everything back */

/* Around fork: no other thread is inside; in the child, everything unlocked. */
void gci_heap_lock_all(struct heap *heap);
void gci_heap_unlock_all(struct heap *heap);
void gci_heap_reset_locks(struct heap *heap);

/* Gives back the metadata's address space past `new_units`; region lock. */
void gci_heap_trim_metadata(struct heap *heap, uint32_t old_units, uint32_t new_units);

/* Everything that is ours and therefore never a root: the region, the arrays, the bump area, records of chosen objects. */
#define HEAP_OWN_RANGES 10
void gci_heap_own_ranges(const struct heap *heap, struct range ranges[HEAP_OWN_RANGES]);

/* Memory for our own structures, zero-filled, never given back; NULL when there is none. `bytes` is rounded to a cache
 * line. Takes the region lock. */
void *gci_heap_take_meta(struct heap *heap, size_t bytes);

/* An array of such memory that is full: one with its elements and room for as many more, at least `least`. NULL, with nothing
 * changed, where there is no memory. */
void *gci_heap_take_larger(struct heap *heap, const void *array, size_t bytes_each, size_t least, size_t *capacity);

ALWAYS_INLINE unsigned hot_class(struct hot hot)
{
    return hot.class_kind & 0x3fu;
}

ALWAYS_INLINE enum unit_past hot_past(struct hot hot)
{
    return (enum unit_past)hot_class(hot);
}

ALWAYS_INLINE enum block_kind hot_kind(struct hot hot)
{
    return (enum block_kind)(hot.class_kind >> 6);
}

ALWAYS_INLINE uint8_t class_kind_of(unsigned class_index, enum block_kind kind)
{
    return (uint8_t)(class_index | (unsigned)kind << 6);
}

ALWAYS_INLINE uintptr_t unit_address(const struct heap *heap, uint32_t unit)
{
    return heap->base + ((uintptr_t)unit << BLOCK_SHIFT);
}

/* The range of addresses that can be a block's, and ours at all. */
ALWAYS_INLINE bool heap_contains(const struct heap *heap, uintptr_t address)
{
    return address - heap->base < word_load(&heap->limit_bytes);
}

ALWAYS_INLINE struct range heap_reserved(const struct heap *heap)
{
    return (struct range){heap->base, heap->base + ((uintptr_t)heap->unit_limit << BLOCK_SHIFT)};
}

#endif
