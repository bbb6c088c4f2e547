/* SPDX-License-Identifier: MIT */
/* Blocks of equal slots: descriptors, counting, lists.
 *
 * States of a block, and who moves it:
 *
 *            fresh unit                       adopt (class lock)
 *                |                    +---------------------------- ABANDONED (in the heap's list)
 *                v                    v                                 ^        ^
 *   +-------> CURRENT <---------- AVAILABLE ----- owner ends ----------+        |
 *   |            |  used up           ^                                         | enough slots freed
 *   |            v                    |  enough slots freed (countdown,         |
 *   |          FULL ------------------+  wake, sweep)                           |
 *   |            +------------------------- owner ends ------------------> ABANDONED_FULL (in no list)
 *   +-- only its owner, or the collector while the world is stopped, moves a block that has an owner; a block without
 *       one is moved under its class lock, or by the collector. A block whose slots are all free goes back to the region.
 *
 * Slots are handed out from the end of the block to its start, so in front of each lies a younger one. A pointer to an object
 * may be one past the end of that in front of it, which a root therefore keeps alive too. What was made right after an object
 * is mostly part of it, or gone soon; what was made before it may be the whole of an older structure.
 */
#ifndef GCI_HEAP_BLOCK_H
#define GCI_HEAP_BLOCK_H

#include "base/bits.h"
#include "heap/heap.h"

enum block_state {
    BLOCK_NONE,
    BLOCK_CURRENT,
    BLOCK_AVAILABLE,
    BLOCK_FULL,
    BLOCK_ABANDONED,
    BLOCK_ABANDONED_FULL,
    BLOCK_LARGE,
    BLOCK_SHELVED /* a large object that the program has freed, on a thread's shelf (heap/large.h) */
};

#define NO_WINDOW 0xffu
#define COUNTDOWN_OFF UINT32_MAX
#define WAKE_NEVER ((uint32_t)INT32_MAX)

#define OWNER_NONE 0u
#define OWNER_NOBODY                                                                                                   \
    0xffffu /* of large objects that the program has freed; what a thread without a cache has for an id */

struct block {
    /* Owner's line: written by the owner, or under the class lock without one, or by the collector (world stopped). */
    volatile u32_shared custody; /* id of the owner's cache, and flags; LARGE: OWNER_NONE, or OWNER_NOBODY */
    uint32_t countdown;          /* own frees until the owner looks at the block again */
    uint32_t slots_bytes;        /* of all slots together; 0 for LARGE */
    uint8_t state;               /* enum block_state */
    uint8_t window_word;  /* CURRENT: bitmap word that a cache's window hands out from, or NO_WINDOW: never swept */
    uint8_t unused_words; /* bitmap words whose slots have never been handed out: the first so many */
    bool has_reclaimed;   /* `scan` tells which free slots the collector reclaimed */
    uint32_t next;        /* in the list of its state */
    uint32_t previous;
    uint32_t run_units;    /* LARGE: units of the run */
    uint16_t absent_pages; /* bit = page of the block: has lost its memory, and not been open to requests since */
    uint16_t idle_since;   /* the tick that found no window opened since before it, or one of IDLE_* (heap/release.h) */
    uint64_t usable_bytes; /* LARGE: what the user may touch */
    bool was_clean;        /* slots that were never handed out have no memory behind them either */
    bool has_special;      /* LARGE, and as a hint for others: see HAS_SPECIAL */
    bool is_sampled;       /* objects may have records (heap/special/sample.h); else HAS_SAMPLES says the same */
    uint8_t past;    /* enum unit_past, of the unit when the block was made: all that is known of slots never used */
    bool is_kept;    /* AVAILABLE, wholly free, and counted as such by its owner's cache */
    bool is_stale;   /* what lies in slots that were never handed out, or in all of LARGE, is to be cleared first */
    bool has_frozen; /* some slots have been frozen (heap/sweep.h) */

    /* Not handed out. Written by the owner, by the collector while the world is stopped, by nobody else. */
    CACHE_ALIGNED uint64_t free[BITMAP_WORDS];

    /* Shared lines: atomic, by any thread. */
    CACHE_ALIGNED volatile u32_shared remote_count; /* bits set in `remote` */
    volatile u32_shared remote_wake;                /* value of remote_count that wakes the block, or WAKE_NEVER */
    bool is_woken;                                  /* class lock: in the owner's list of woken blocks */
    uint32_t woken_next;                            /* class lock */
    volatile shared_word remote[BITMAP_WORDS];      /* from 176 bytes a slot on, all on the line of the count */
};
STATIC_ASSERT(sizeof(struct block) == (2 + 2 * BITMAP_WORDS / 8) * (size_t)CACHE_LINE_BYTES,
              "the owner's line, what is shared, and the bitmap of free slots");

/* Beside the owner's id too: some object of the block has more to it than memory (heap/special/special.h), so that
 * each free has to look. Set by anybody, stays until the block is given back. */
#define HAS_SPECIAL 0x20000u

/* Beside the owner's id too, from the block's making on: it is for chosen objects (heap/special/sample.h). */
#define HAS_SAMPLES 0x40000u

/* Beside the owner's id in `custody`: others have freed slots that nobody has counted in yet. One comparison tells a
 * thread that it owns the block and that no second free can hide there. Set by those who free, after their bit is set;
 * cleared by the owner before it takes the bits over, so that what comes later sets it again; see IS_SHUT. */
#define HAS_REMOTE 0x10000u
#define OWNER_MASK 0xffffu

/* Beside the owner's id too: since HAS_REMOTE was set, the owner's window has been shut, if it was open on the block
 * (heap/cache.h: gci_cache_count_remote). Set by the thread that has set HAS_REMOTE, and by no other (for one that a
 * child of fork does not have, by that); both are cleared together, and not before: else it might say so of another time. */
#define IS_SHUT 0x80000u
#define IS_NOTED (HAS_REMOTE | IS_SHUT)

ALWAYS_INLINE uint32_t block_owner(const struct block *block)
{
    return u32_load(&block->custody) & OWNER_MASK;
}

/* Class lock held. */
static inline void block_set_owner(struct block *block, uint32_t owner)
{
    uint32_t seen = u32_load(&block->custody);
    while (!u32_compare_and_swap(&block->custody, seen, owner | (seen & ~OWNER_MASK)))
        seen = u32_load(&block->custody);
}

/* `flag`, which stands beside the owner's id, is set from here on; whether it was not before. Any thread. */
static inline bool block_set_flag(struct block *block, uint32_t flag)
{
    uint32_t seen = u32_load(&block->custody);
    while (!(seen & flag) && !u32_compare_and_swap(&block->custody, seen, seen | flag))
        seen = u32_load(&block->custody);
    return !(seen & flag);
}

ALWAYS_INLINE struct block *block_at(const struct heap *heap, uint32_t unit)
{
    return &heap->meta.blocks[unit];
}

ALWAYS_INLINE const struct size_class *block_class(const struct heap *heap, uint32_t unit)
{
    return &gci_size_classes[hot_class(heap->meta.hot[unit])];
}

/* Slots of word `index` that are not in the program's hands. */
ALWAYS_INLINE uint64_t block_free_bits(const struct block *block, unsigned index)
{
    return block->free[index] | word_load(&block->remote[index]);
}

/* The slot of `bit` in word `index` was freed by a thread that is not the owner. False, with nothing changed, if so it was
 * before: a double free. An addition, as processors have one that returns what was there before. */
ALWAYS_INLINE bool block_set_remote(struct block *block, unsigned index, uint64_t bit)
{
    bool is_first = !(word_add(&block->remote[index], bit) & bit);
    if (UNLIKELY(!is_first))
        word_add(&block->remote[index], -bit);
    return is_first;
}

/* Bits of word `index` that stand for slots. */
ALWAYS_INLINE uint64_t block_valid_bits(const struct size_class *size_class, unsigned index)
{
    uint32_t before = index * BITS_PER_WORD;
    return size_class->slots <= before ? 0 : low_bits(size_class->slots - before);
}

/* Makes sure that the slots of word `index`, the last one never handed out or a later one, are counted as touched.
 * False where that would pass the heap limit. */
bool gci_block_touch_word(struct heap *heap, uint32_t unit, unsigned index);

/* A fresh block for `owner`, with or without HAS_SAMPLES, with every slot free; 0 where there is no unit. */
uint32_t gci_block_create(struct heap *heap, unsigned class_index, enum block_kind kind, uint32_t owner);

/* The list for blocks without an owner that the unit belongs to. */
struct unit_list *gci_block_abandoned_list(struct heap *heap, uint32_t unit);

/* Whether no remote free of the block is half done, its bit set and not counted yet. Only then may the unit be used again:
 * the late count would be of no bit, and who waits for what is counted would wait for ever. World stopped, or every slot
 * is free and folded, so that no other free can begin. */
bool gci_block_is_settled(const struct heap *heap, uint32_t unit);

/* Fork child: the threads that would have noted and counted their frees are not there. The block's window is to be shut. */
void gci_block_settle(struct heap *heap, uint32_t unit);

/* The unit goes back to the region. Every slot is free, the block is settled and in no list, and the caller holds the class
 * lock or has stopped the world: a late wake-up looks at the hot word under that lock. */
void gci_block_destroy(struct heap *heap, uint32_t unit, enum unit_past past);

/* Slots of the words from `first` on that are free or freed remotely. */
uint32_t gci_block_count_free(const struct heap *heap, uint32_t unit, unsigned first);

/* Owner or class lock: takes the remote bits of one word over into `free`; returns the word. A slot that both freed
 * is a double free: reports and aborts. */
uint64_t gci_block_fold_word(struct heap *heap, uint32_t unit, unsigned index);

/* As gci_block_fold_word for all words, and HAS_REMOTE and IS_SHUT are cleared if both are set. Returns the number of free
 * slots. */
uint32_t gci_block_fold_all(struct heap *heap, uint32_t unit);

static inline uint32_t block_fold(struct heap *heap, uint32_t unit, const struct size_class *size_class)
{
    const struct block *block = block_at(heap, unit);
    if (size_class->words == 1 && !(u32_load_acquire(&block->custody) & HAS_REMOTE))
        return count_bits(block->free[0]);
    return gci_block_fold_all(heap, unit);
}

/* When a block with an owner is looked at again: after `own` more frees by its owner (COUNTDOWN_OFF: never), or once
 * `remote` frees of others wait in it. No barrier: a freer that counts in the same moment may still go by the old value of
 * `remote`, and then the next free wakes the block, or a collection. */
ALWAYS_INLINE void block_expect(struct block *block, uint32_t own, uint32_t remote)
{
    block->countdown = own;
    u32_store(&block->remote_wake, remote);
}

/* For a block without an owner, or where no wake-up may come late: wakes it after `slots` more frees by others. False:
 * others have freed that many meanwhile, so count again now. */
bool gci_block_arm(struct block *block, uint32_t slots);

/* After the bit of a remote free is set, and HAS_REMOTE is, so that who knows of the count finds the bit. Returns the count. */
static inline uint32_t block_count_remote(struct block *block)
{
    return u32_add(&block->remote_count, 1) + 1;
}

/* Whether a remote free that brought the count to `count` has to wake the block. A freer sets its bit first and counts
 * then, so the count can be below zero for a moment, and a wake can come early but never too late. */
ALWAYS_INLINE bool block_is_due(const struct block *block, uint32_t count)
{
    return (int32_t)(count - u32_load(&block->remote_wake)) >= 0;
}

/* Lists through next and previous. */
static inline void unit_list_push_head(struct heap *heap, struct unit_list *list, uint32_t unit)
{
    struct block *block = block_at(heap, unit);
    block->previous = 0;
    block->next = list->head;
    if (list->head != 0)
        block_at(heap, list->head)->previous = unit;
    else
        list->tail = unit;
    list->head = unit;
}

static inline void unit_list_push_tail(struct heap *heap, struct unit_list *list, uint32_t unit)
{
    struct block *block = block_at(heap, unit);
    block->next = 0;
    block->previous = list->tail;
    if (list->tail != 0)
        block_at(heap, list->tail)->next = unit;
    else
        list->head = unit;
    list->tail = unit;
}

static inline void unit_list_remove(struct heap *heap, struct unit_list *list, uint32_t unit)
{
    const struct block *block = block_at(heap, unit);
    if (block->previous != 0)
        block_at(heap, block->previous)->next = block->next;
    else
        list->head = block->next;
    if (block->next != 0)
        block_at(heap, block->next)->previous = block->previous;
    else
        list->tail = block->previous;
}

#endif
