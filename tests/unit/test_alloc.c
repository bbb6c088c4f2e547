/* SPDX-License-Identifier: MIT */
/* Slow paths of free, in states that only a race between threads brings about. */
#include <gcalloc.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "alloc/alloc.h"
#include "alloc/refill.h"
#include "heap/cache.h"
#include "support.h"

#define BYTES 512
#define COUNT (4 * (BLOCK_BYTES / BYTES))

static uint32_t unit_of(const void *block)
{
    return (uint32_t)(((uintptr_t)block - gci_heap.base) >> BLOCK_SHIFT);
}

/* A block of the calling thread in which every slot is in use; one of its slots. */
static void *make_full_block(void)
{
    static void *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        blocks[i] = gca_malloc_atomic(BYTES);
    void *slot = blocks[COUNT / 2];
    ck_assert_uint_eq(block_at(&gci_heap, unit_of(slot))->state, BLOCK_FULL);
    ck_assert_uint_eq(block_owner(block_at(&gci_heap, unit_of(slot))), gci_cache_self.id);
    return slot;
}

/* The fast path has counted the last free down to 0; then another thread notes its free. */
START_TEST(the_last_free_beside_a_remote_one_is_looked_at)
{
    void *slot = make_full_block();
    struct block *block = block_at(&gci_heap, unit_of(slot));
    block->countdown = 0;
    block_set_flag(block, HAS_REMOTE);
    gci_free_slow(slot, "free");
    ck_assert_uint_ge(block->countdown, 1);
    ck_assert_uint_le(block->countdown, BLOCK_BYTES / BYTES);
}
END_TEST

START_TEST(frees_beside_remote_ones_are_counted)
{
    void *slot = make_full_block();
    struct block *block = block_at(&gci_heap, unit_of(slot));
    block->countdown = 5;
    block_set_flag(block, HAS_REMOTE);
    gca_free(slot);
    ck_assert_uint_eq(block->countdown, 4);
    ck_assert_uint_eq(gci_block_count_free(&gci_heap, unit_of(slot), 0), 1);
}
END_TEST

/* The owner frees the last slot itself before it has looked at those that are woken. */
START_TEST(a_block_that_is_woken_stays_until_it_is_looked_at)
{
    struct heap heap;
    unsigned class_index = (unsigned)size_class_of(BYTES);
    uint32_t unit = 0;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    struct cache *cache = gci_cache_create(&heap);
    struct owned_blocks *owned = &cache->owned[KIND_ATOMIC][class_index];
    for (int i = 0; i < 2; i++) { /* the second one is no spare */
        unit = gci_block_create(&heap, class_index, KIND_ATOMIC, cache->id);
        block_at(&heap, unit)->state = BLOCK_AVAILABLE;
        unit_list_push_tail(&heap, &owned->available, unit);
    }
    block_at(&heap, unit)->free[0] &= ~UINT64_C(1);
    block_at(&heap, unit)->is_woken = true;
    u32_store(&owned->woken, unit);
    block_at(&heap, unit)->free[0] |= 1;
    gci_refill_look(&heap, cache, unit);
    ck_assert_uint_eq(heap.meta.hot[unit].use, UNIT_SMALL);
    gci_refill_look_at_all_woken(&heap, cache);
    ck_assert_uint_eq(heap.meta.hot[unit].use, UNIT_FREE);
    gci_heap_fini(&heap);
}
END_TEST

#define SMALL_BYTES 96
#define RETURNED 48

static void *returned[RETURNED];
static volatile u32_shared are_returned;

static void *return_them(void *unused)
{
    for (int i = 0; i < RETURNED; i++)
        gca_free(returned[i]);
    u32_store_release(&are_returned, 1);
    pause(); /* the thread sanitizer's account of a thread is gone before the thread's last destructors */
    return unused;
}

static bool is_among_returned(const void *block)
{
    bool found = false;
    for (int i = 0; i < RETURNED; i++)
        found = found || returned[i] == block;
    return found;
}

/* Of a block that other threads free into: programs with few blocks stay on few pages. */
START_TEST(what_others_have_freed_comes_before_what_was_never_used)
{
    pthread_t thread;
    const struct block *block;
    unsigned words = gci_size_classes[size_class_of(SMALL_BYTES)].words;
    uint32_t first = 0, count = 0;
    do {
        void *slot = gca_malloc_atomic(SMALL_BYTES);
        block = block_at(&gci_heap, unit_of(slot));
        count = unit_of(slot) == first ? count : 0;
        first = unit_of(slot);
        if (count < RETURNED)
            returned[count++] = slot;
    } while (block->unused_words != words - 2 || block->window_word != words - 2 || block->free[words - 2] != 0);
    ck_assert_uint_eq(count, RETURNED);
    ck_assert_int_eq(pthread_create(&thread, NULL, return_them, NULL), 0);
    while (u32_load_acquire(&are_returned) == 0)
        sched_yield();
    ck_assert(is_among_returned(gca_malloc_atomic(SMALL_BYTES)));
}
END_TEST

MAKE_SUITE(alloc, the_last_free_beside_a_remote_one_is_looked_at, frees_beside_remote_ones_are_counted,
           a_block_that_is_woken_stays_until_it_is_looked_at, what_others_have_freed_comes_before_what_was_never_used)
