/* SPDX-License-Identifier: MIT */
/* Slow paths of free, in states that only a race between threads brings about. */
#include <gcalloc.h>

#include "alloc/alloc.h"
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
    block_note_remote(block);
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
    block_note_remote(block);
    gca_free(slot);
    ck_assert_uint_eq(block->countdown, 4);
    ck_assert_uint_eq(gci_block_count_free(&gci_heap, unit_of(slot), 0), 1);
}
END_TEST

MAKE_SUITE(alloc, the_last_free_beside_a_remote_one_is_looked_at, frees_beside_remote_ones_are_counted)
