/* SPDX-License-Identifier: MIT */
/* A thread's share of the heap: the windows that it allocates from and the blocks that it owns.
 *
 * Owned by one thread, which touches it in its fast paths and in critical sections; by the collector while the world is
 * stopped; `woken` by anybody under the class lock; the word of a window by anybody who shuts it. A cache outlives its thread
 * only as an empty shell for the next one.
 */
#ifndef GCI_HEAP_CACHE_H
#define GCI_HEAP_CACHE_H

#include "heap/block.h"
#include "heap/heap.h"
#include "platform/cpu.h"

/* The free bits of one bitmap word, in place, and the address and size of its slots. The bits stay where `free` and the
 * collector look for them, and a slot freed into the word is found again at once. */
struct window {
    volatile shared_word word; /* its address. Others may shut the window: see gci_cache_count_remote */
    char *base;
    size_t slot_bytes;
    struct sample *records; /* of its slots (heap/special/sample.h), where there are any */
};
STATIC_ASSERT(sizeof(struct window) == WINDOW_BYTES, "the table of classes holds offsets of windows");

/* Its free bits as they are now. Read once for each request: at the next look the window may be shut. */
ALWAYS_INLINE uint64_t *window_word(const struct window *window)
{
    return (uint64_t *)word_load(&window->word); // NOLINT(performance-no-int-to-ptr)
}

/* The next free slot of a word of a window that has one, of which `was` tells the bits. */
ALWAYS_INLINE size_t window_take_index(uint64_t *word, uint64_t was)
{
    size_t index = gci_cpu_highest_bit(was);
    *word = gci_cpu_without(was, index);
    return index;
}

ALWAYS_INLINE void *window_take(const struct window *window, uint64_t *word, uint64_t was)
{
    size_t index = window_take_index(word, was);
    return window->base + index * window->slot_bytes;
}

struct owned_blocks {
    struct unit_list available; /* BLOCK_AVAILABLE */
    struct unit_list full;      /* BLOCK_FULL */
    uint32_t current;           /* BLOCK_CURRENT, or 0 */
    volatile u32_shared woken;  /* first of the blocks that remote frees have woken; class lock */
};

/* Slots that the owner has freed last in full blocks of few slots, the newest at the end: taken again before another block
 * is searched. Only a hint: the slot is free in its block's bitmap, and whoever takes it looks whether it still is. */
#define RECENT_SLOTS 15
struct recent {
    uint32_t count;
    uint32_t slots[RECENT_SLOTS]; /* unit << RECENT_SLOT_BITS | slot */
};
#define RECENT_SLOT_BITS 5
STATIC_ASSERT(BLOCK_BYTES / FEW_SLOTS_BYTES_MIN <= 1 << RECENT_SLOT_BITS, "a slot's number fits");

/* Runs of large objects that the owner has freed last, the newest at the end: taken again without the region's lock. The program
 * has freed them, so `custody` of their blocks is OWNER_NOBODY, and they count as memory that is not used. */
#define SHELF_RUNS 32u
#define SHELF_KEY_BITS 6 /* units - 1, and the kind: what a request asks for */
#define SHELF_RUN_UNITS_MAX 16u
struct shelf {
    uint32_t count;
    volatile u32_shared units; /* of all; read by anybody, as a figure */
    bool is_fresh;             /* used since the last tick */
    uint32_t noted_units;      /* the most that there have been since it was cleared: gci_release_note knows of those */
    uint32_t runs[SHELF_RUNS]; /* first unit << SHELF_KEY_BITS | key */
};
STATIC_ASSERT(KIND_COUNT <= (1u << SHELF_KEY_BITS) / SHELF_RUN_UNITS_MAX, "a key holds both");

/* Wholly free units that a thread keeps, as it is likely to take them again at once: 2 MiB, and its part of what all may keep
 * (heap/heap.h). Half of them may be blocks, which are of use for one size only. A tick takes their memory, a collection the
 * units. */
#define KEPT_UNITS_MAX 32u
#define KEPT_BLOCKS_SHARE 2u

/* Counted objects whose last references may have been released by other threads. Guarded by the lock of alloc/counts/count.c; the
 * objects are roots. */
struct inbox {
    uintptr_t *objects;
    uint32_t capacity;
    volatile u32_shared count;
};

struct cache {
    struct window windows[KIND_COUNT][CLASS_COUNT];
    struct owned_blocks owned[KIND_COUNT][CLASS_COUNT];
    struct recent recent[KIND_COUNT][CLASS_COUNT - CLASS_FEW_SLOTS];
    struct shelf shelf;
    uint32_t kept_blocks;            /* that are wholly free, among the available ones */
    uint16_t id;                     /* what blocks name as owner; OWNER_NOBODY in the empty cache */
    uint32_t flags;                  /* of its blocks' custody: 0 or HAS_SAMPLES */
    struct cache *sampled;           /* the same thread's for chosen objects; NULL: none yet */
    bool is_in_use;                  /* has a thread; under the region lock */
    uint32_t allocated;              /* counts slow allocations, for the torture switch */
    volatile u32_shared may_release; /* frees have made some of its blocks worth a look; set by anybody */
    volatile u32_shared is_asked;    /* another thread has sent the owner a signal to do so */
    bool hands_out; /* collector: its thread may have been stopped with a slot whose address it did not have yet */
    volatile u32_shared
        counts;         /* its thread is the owner of counted objects; set under the lock of alloc/counts/count.c */
    struct inbox inbox; /* outlives the thread, and so does the next */
    volatile u32_shared
        errands; /* alloc/counts/count.c: its thread has something to do before it makes a counted object */
    volatile shared_word
        *busy_at; /* gci_count_self.busy: lock of alloc/counts/count.c; a killed thread's: the region's */
    volatile shared_word
        busy_with;        /* what that is, or was: set by its thread, and there when the thread no longer is */
    uintptr_t busy_block; /* the thread's control block, beside which busy_at points; set with it */
    volatile shared_word
        left;            /* counted objects that its thread has still to destroy (alloc/counts/destroy.h); a root */
    struct trail *trail; /* the profiler's, of its thread (profile/sampler.c); NULL: none yet; outlives it */
};

/* `class_offset` is what size_class_window says. */
ALWAYS_INLINE struct window *cache_window(struct cache *cache, enum block_kind kind, size_t class_offset)
{
    return (struct window *)((char *)cache->windows[kind] + class_offset);
}

#define CACHE_IDS OWNER_NOBODY

/* What a thread without a cache has: every window empty, so that each request reaches the slow path. Never written. */
extern struct cache gci_cache_empty;

/* What the hot paths know of the calling thread, in one piece: the compiler looks up its place once. */
struct cache_self {
    struct cache *cache; /* gci_cache_empty where it has none */
    uint64_t budget;     /* this and the next: alloc/budget.h */
    uint64_t reserve;
    uint32_t id; /* of the cache */
    uint32_t draw;
};
extern __thread struct cache_self gci_cache_self TLS_INITIAL_EXEC HIDDEN;

/* In a critical section. */
ALWAYS_INLINE void cache_become_self(struct cache *cache)
{
    gci_cache_self.cache = cache;
    gci_cache_self.id = cache->id;
}

/* Wholly free units that the cache may have. */
ALWAYS_INLINE uint32_t cache_kept_units_max(const struct heap *heap)
{
    uint32_t share = heap->kept_units_max / u32_load(&heap->cache_count);
    return share < KEPT_UNITS_MAX ? share : KEPT_UNITS_MAX;
}

/* A block of the cache is going to be used again, or goes. */
ALWAYS_INLINE void cache_unkeep(struct cache *cache, struct block *block)
{
    cache->kept_blocks -= block->is_kept ? 1 : 0;
    block->is_kept = false;
}

/* The cache for chosen objects of the thread that `cache` is of; NULL when memory or ids have run out. */
struct cache *gci_cache_sampled(struct heap *heap, struct cache *cache);

/* Fork child: what the others had in their thread-local storage is no longer there. */
void gci_cache_forget_names(struct heap *heap, const struct cache *kept);

/* No thread is busy with the object from here on, which none can be in the middle of counting. Lock of alloc/counts/count.c. */
void gci_cache_forget_busy(const struct heap *heap, uintptr_t object);

/* A cache of its own for a thread; NULL when memory or ids have run out. */
struct cache *gci_cache_create(struct heap *heap);

/* Abandons every block, those of chosen objects too, and returns the shell. Owner's thread, or any thread once the owner has
 * ended. */
void gci_cache_retire(struct heap *heap, struct cache *cache);

/* Fork child: all caches but `kept` lost their threads at an unknown instruction. Their lists are not trusted: all their
 * blocks are found by their hot words. */
void gci_cache_retire_all_but(struct heap *heap, struct cache *kept);

struct cache *gci_cache_by_id(const struct heap *heap, uint32_t id);

/* The blocks in the list of woken ones are woken no more. Class lock held, or world stopped. */
void gci_cache_forget_woken(struct heap *heap, struct owned_blocks *owned);

/* Points the window at nothing. */
void gci_cache_close_window(struct cache *cache, enum block_kind kind, unsigned class_index);

/* As block_count_remote, and notes the free first: HAS_REMOTE is set, the owner's window is shut if it is open on the block, and
 * IS_SHUT is set, unless another thread is about to. Why, says alloc/free.c. Any thread. */
uint32_t gci_cache_count_remote(struct heap *heap, uint32_t unit);

/* A block without an owner becomes one of the heap's abandoned ones, or goes back to the region. Class lock held. */
void gci_cache_abandon_block(struct heap *heap, uint32_t unit);

#endif
