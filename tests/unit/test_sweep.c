/* SPDX-License-Identifier: MIT */
/* What a sweep makes of blocks on private heaps. */
#include <string.h>

#include "alloc/refill.h"
#include "heap/block.h"
#include "heap/cache.h"
#include "heap/large.h"
#include "heap/region.h"
#include "heap/special/counted.h"
#include "heap/sweep.h"
#include "support.h"

static void no_unit(uint32_t unit, void *data)
{
    (void)unit;
    (void)data;
    ck_abort_msg("no block is uncollectable here");
}

START_TEST(sweep_frees_what_is_not_marked)
{
    struct heap heap;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    struct cache *cache = gci_cache_create(&heap);
    uint32_t unit = gci_block_create(&heap, 3, KIND_SCANNED, cache->id);
    unit_list_push_head(&heap, &cache->owned[KIND_SCANNED][3].full, unit);
    for (unsigned i = 0; i < gci_size_classes[3].words; i++)
        block_at(&heap, unit)->free[i] = 0;
    gci_sweep_prepare(&heap, no_unit, NULL);
    heap.meta.mark[unit][0] |= 5;
    struct census census = gci_sweep_run(&heap, false);
    ck_assert_uint_eq(census.freed_objects, gci_size_classes[3].slots - 2);
    ck_assert_uint_eq(gci_block_count_free(&heap, unit, 0), 0);
    census = gci_sweep_run(&heap, true);
    ck_assert_uint_eq(census.live_objects, 2);
    ck_assert_uint_eq(block_at(&heap, unit)->free[0], ~UINT64_C(5));
    ck_assert_uint_eq(cache->owned[KIND_SCANNED][3].available.head, unit);
    gci_sweep_prepare(&heap, no_unit, NULL);
    gci_sweep_run(&heap, true);
    ck_assert_uint_eq(heap.meta.hot[unit].use, UNIT_FREE);
    gci_heap_fini(&heap);
}
END_TEST

START_TEST(the_words_of_windows_are_not_swept)
{
    struct heap heap;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t unit = gci_block_create(&heap, 3, KIND_SCANNED, OWNER_NONE);
    block_at(&heap, unit)->state = BLOCK_CURRENT;
    block_at(&heap, unit)->window_word = 1;
    for (unsigned i = 0; i < gci_size_classes[3].words; i++)
        block_at(&heap, unit)->free[i] = 0;
    gci_sweep_prepare(&heap, no_unit, NULL);
    gci_sweep_run(&heap, true);
    ck_assert_uint_eq(block_at(&heap, unit)->free[0], UINT64_MAX);
    ck_assert_uint_eq(block_at(&heap, unit)->free[1], 0);
    gci_heap_fini(&heap);
}
END_TEST

START_TEST(a_half_done_free_keeps_its_block)
{
    struct heap heap;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    for (int by_sweep = 0; by_sweep < 2; by_sweep++) {
        struct cache *cache = gci_cache_create(&heap);
        uint32_t unit = gci_block_create(&heap, 3, KIND_SCANNED, cache->id);
        unit_list_push_head(&heap, &cache->owned[KIND_SCANNED][3].full, unit);
        block_at(&heap, unit)->free[0] &= ~UINT64_C(1);
        word_store(&block_at(&heap, unit)->remote[0], 1); /* a free that has not come to counting yet */
        if (by_sweep) {
            gci_sweep_prepare(&heap, no_unit, NULL);
            gci_sweep_run(&heap, true);
            ck_assert_uint_eq(heap.meta.hot[unit].use, UNIT_SMALL);
        }
        gci_cache_retire(&heap, cache);
        ck_assert_uint_eq(heap.meta.hot[unit].use, UNIT_SMALL);
        gci_cache_count_remote(&heap, unit);
        ck_assert(block_is_due(block_at(&heap, unit), u32_load(&block_at(&heap, unit)->remote_count)));
        gci_refill_wake(&heap, unit);
        ck_assert_uint_eq(heap.meta.hot[unit].use, UNIT_FREE);
    }
    gci_heap_fini(&heap);
}
END_TEST

/* The sweep empties the list of woken blocks. */
START_TEST(a_current_block_is_woken_after_a_sweep_as_before)
{
    struct heap heap;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    struct cache *cache = gci_cache_create(&heap);
    ck_assert_int_eq(gci_refill(&heap, cache, KIND_SCANNED, 3, false), REFILL_DONE);
    struct owned_blocks *owned = &cache->owned[KIND_SCANNED][3];
    uint32_t unit = owned->current;
    uint32_t worth = gci_size_classes[3].worth;
    for (int word = 1; word < 16; word++)
        block_at(&heap, unit)->free[word] = 0;
    ck_assert_uint_lt(worth, 7 * 64);
    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t slot = 0; slot < worth; slot++) {
            block_set_remote(block_at(&heap, unit), 1 + 7 * round + slot / 64, UINT64_C(1) << slot % 64);
            if (block_is_due(block_at(&heap, unit), gci_cache_count_remote(&heap, unit)))
                gci_refill_wake(&heap, unit);
        }
        ck_assert_uint_eq(u32_load(&owned->woken), unit);
        gci_sweep_prepare(&heap, no_unit, NULL);
        memset(heap.meta.mark[unit], 0xff, sizeof heap.meta.mark[unit]);
        gci_sweep_run(&heap, true);
        ck_assert_uint_eq(u32_load(&owned->woken), 0);
    }
    gci_heap_fini(&heap);
}
END_TEST

/* What others have freed before stays where it is, and is not waited for again. */
START_TEST(a_block_is_woken_after_a_sweep_when_it_is_worth_it)
{
    struct heap heap;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    struct cache *cache = gci_cache_create(&heap);
    uint32_t unit = gci_block_create(&heap, 3, KIND_SCANNED, cache->id);
    struct block *block = block_at(&heap, unit);
    uint32_t worth = gci_size_classes[3].worth;
    ck_assert_uint_gt(worth, 10);
    unit_list_push_head(&heap, &cache->owned[KIND_SCANNED][3].full, unit);
    memset(block->free, 0, sizeof block->free);
    for (uint32_t slot = 0; slot < 10; slot++) {
        ck_assert(block_set_remote(block, 0, UINT64_C(1) << slot));
        gci_cache_count_remote(&heap, unit);
    }
    gci_sweep_prepare(&heap, no_unit, NULL);
    memset(heap.meta.mark[unit], 0xff, sizeof heap.meta.mark[unit]);
    gci_sweep_run(&heap, true);
    ck_assert(!block_is_due(block, worth - 1));
    ck_assert(block_is_due(block, worth));
    gci_heap_fini(&heap);
}
END_TEST

START_TEST(what_lies_where_something_frozen_was_is_not)
{
    struct heap heap;
    bool is_clean;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t unit = gci_large_create(&heap, KIND_SCANNED, (size_t)2 * BLOCK_BYTES, 0, &is_clean);
    gci_sweep_prepare(&heap, no_unit, NULL);
    heap.meta.mark[unit][0] |= 1;
    ck_assert(gci_sweep_freeze(&heap));
    ck_assert(gci_sweep_is_frozen(&heap, unit, 0));
    gci_large_destroy(&heap, unit, PAST_FREED);
    ck_assert_uint_eq(gci_large_create(&heap, KIND_SCANNED, BLOCK_BYTES, 0, &is_clean), unit);
    ck_assert(!gci_sweep_is_frozen(&heap, unit, 0));
    gci_heap_fini(&heap);
}
END_TEST

/* The marker follows what a header names, also that of a slot which is handed out and not written yet. */
START_TEST(headers_of_what_is_reclaimed_name_nothing)
{
    static const struct counted_type type;
    struct heap heap;
    unsigned class_index = (unsigned)size_class_of(64);
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    struct cache *cache = gci_cache_create(&heap);
    uint32_t unit = gci_block_create(&heap, class_index, KIND_HEADED, cache->id);
    unit_list_push_head(&heap, &cache->owned[KIND_HEADED][class_index].full, unit);
    char *start = (char *)unit_address(&heap, unit);
    block_at(&heap, unit)->free[0] &= ~UINT64_C(7);
    for (unsigned slot = 0; slot < 3; slot++)
        counted_set_type_and_state((struct counted *)(start + 64 * slot), &type, cache->id);
    gci_sweep_prepare(&heap, no_unit, NULL);
    heap.meta.mark[unit][0] |= 2;
    gci_sweep_run(&heap, true);
    for (unsigned slot = 0; slot < 3; slot++) {
        const struct counted *counted = (const struct counted *)(start + 64 * slot);
        ck_assert_ptr_eq(counted_type(counted), slot == 1 ? &type : NULL);
        ck_assert_uint_eq(counted_state(counted), slot == 1 ? cache->id : COUNTED_FREED);
    }
    gci_heap_fini(&heap);
}
END_TEST

MAKE_SUITE(sweep, a_current_block_is_woken_after_a_sweep_as_before, a_half_done_free_keeps_its_block,
           sweep_frees_what_is_not_marked, the_words_of_windows_are_not_swept,
           headers_of_what_is_reclaimed_name_nothing, a_block_is_woken_after_a_sweep_when_it_is_worth_it,
           what_lies_where_something_frozen_was_is_not)
