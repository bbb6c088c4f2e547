/* SPDX-License-Identifier: MIT */
/* What a thread keeps of memory that is wholly free: large objects on its shelf, and blocks of few slots. */
#include <gcalloc.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc/alloc.h"
#include "alloc/refill.h"
#include "base/options.h"
#include "heap/cache.h"
#include "heap/large.h"
#include "heap/region.h"
#include "heap/release.h"
#include "heap/resolve.h"
#include "heap/sweep.h"
#include "profile/look/sizes.h"
#include "profile/writer.h"
#include "support.h"
#include "world/critical.h"

#define LARGE_BYTES ((size_t)5 * BLOCK_BYTES - 4096)

static uint32_t make_large(struct heap *heap, size_t bytes)
{
    bool is_clean;
    uint32_t unit = gci_large_create(heap, KIND_SCANNED, bytes, 0, &is_clean);
    ck_assert_uint_ne(unit, 0);
    return unit;
}

static void shelve(struct heap *heap, struct cache *cache, uint32_t unit)
{
    u32_store(&block_at(heap, unit)->custody, OWNER_NOBODY);
    gci_large_shelve(heap, cache, unit);
}

static bool is_given_back(const struct heap *heap, uint32_t unit)
{
    return heap->meta.hot[unit].use == UNIT_FREE;
}

START_TEST(a_freed_run_is_taken_again_by_what_fits)
{
    struct heap heap;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    struct cache *cache = gci_cache_create(&heap);
    uint32_t unit = make_large(&heap, LARGE_BYTES);
    block_at(&heap, unit)->has_special = block_at(&heap, unit)->is_sampled = true;
    shelve(&heap, cache, unit);
    ck_assert_uint_eq(region_used_bytes(&heap), 0);
    ck_assert(!object_is_allocated(&heap, gci_resolve(&heap, unit_address(&heap, unit))));
    ck_assert_uint_eq(gci_large_unshelve(&heap, cache, KIND_ATOMIC, LARGE_BYTES), 0);
    ck_assert_uint_eq(gci_large_unshelve(&heap, cache, KIND_SCANNED, LARGE_BYTES + 8192), 0);
    ck_assert_uint_eq(gci_large_unshelve(&heap, cache, KIND_SCANNED, LARGE_BYTES - BLOCK_BYTES), 0);
    ck_assert_uint_eq(gci_large_unshelve(&heap, cache, KIND_SCANNED, LARGE_BYTES - 4096), unit);
    ck_assert_uint_eq(region_used_bytes(&heap), LARGE_BYTES - 4096);
    ck_assert(!block_at(&heap, unit)->has_special && !block_at(&heap, unit)->is_sampled); /* it is another object */
    struct object object = gci_resolve(&heap, unit_address(&heap, unit) + LARGE_BYTES / 2);
    ck_assert(object_is_allocated(&heap, object));
    ck_assert_uint_eq(object.bytes, LARGE_BYTES - 4096);
    ck_assert_uint_eq(u32_load(&cache->shelf.units), 0);
    gci_heap_fini(&heap);
}
END_TEST

/* The oldest go; what is too large never comes. */
START_TEST(a_shelf_has_an_end)
{
    struct heap heap;
    enum { RUNS = 3 * KEPT_UNITS_MAX };
    uint32_t units[RUNS];
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    struct cache *cache = gci_cache_create(&heap);
    uint32_t too_large = make_large(&heap, (SHELF_RUN_UNITS_MAX + 1) * (size_t)BLOCK_BYTES);
    for (int i = 0; i < RUNS; i++)
        units[i] = make_large(&heap, BLOCK_BYTES);
    for (int i = 0; i < RUNS; i++)
        shelve(&heap, cache, units[i]);
    shelve(&heap, cache, too_large);
    ck_assert(is_given_back(&heap, too_large));
    ck_assert_uint_eq(u32_load(&cache->shelf.units), KEPT_UNITS_MAX);
    for (int i = 0; i < RUNS; i++)
        ck_assert(is_given_back(&heap, units[i]) == (i < RUNS - (int)KEPT_UNITS_MAX));
    for (int i = RUNS - 1; i >= RUNS - (int)KEPT_UNITS_MAX; i--)
        ck_assert_uint_eq(gci_large_unshelve(&heap, cache, KIND_SCANNED, BLOCK_BYTES), units[i]);
    ck_assert_uint_eq(gci_large_unshelve(&heap, cache, KIND_SCANNED, BLOCK_BYTES), 0);
    gci_heap_fini(&heap);
}
END_TEST

START_TEST(many_threads_keep_little_each)
{
    struct heap heap;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    struct cache *cache = gci_cache_create(&heap);
    ck_assert_uint_eq(cache_kept_units_max(&heap), KEPT_UNITS_MAX);
    for (unsigned i = 1; i < KEPT_UNITS_OF_ALL / 2; i++)
        ck_assert_ptr_nonnull(gci_cache_create(&heap));
    ck_assert_uint_eq(cache_kept_units_max(&heap), 2);
    for (int i = 0; i < 4; i++)
        shelve(&heap, cache, make_large(&heap, BLOCK_BYTES));
    ck_assert_uint_le(u32_load(&cache->shelf.units), 2);
    ck_assert_ptr_nonnull(gci_cache_create(&heap));
    gci_heap_fini(&heap);
}
END_TEST

#define SMALL_REGION_UNITS 512u
#define SMALL_REGION_CACHES 16

/* Where nothing is collected only a thread itself gives back what it keeps: others still get nearly all that there is. */
START_TEST(of_a_small_region_little_is_kept)
{
    struct heap heap;
    struct cache *caches[SMALL_REGION_CACHES];
    uint32_t kept[SMALL_REGION_CACHES][KEPT_UNITS_MAX];
    uint32_t taken = 0;
    bool is_clean;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    gci_region_shrink(&heap, (size_t)2 * SMALL_REGION_UNITS * BLOCK_BYTES);
    ck_assert_uint_eq(heap.unit_limit, SMALL_REGION_UNITS);
    for (int i = 0; i < SMALL_REGION_CACHES; i++)
        caches[i] = gci_cache_create(&heap);
    for (int i = 0; i < SMALL_REGION_CACHES; i++) {
        for (unsigned n = 0; n < KEPT_UNITS_MAX / 2; n++)
            kept[i][n] = make_large(&heap, BLOCK_BYTES);
        for (unsigned n = 0; n < KEPT_UNITS_MAX / 2; n++)
            shelve(&heap, caches[i], kept[i][n]);
        ck_assert_uint_gt(caches[i]->shelf.count, 0);
    }
    while (gci_region_take(&heap, GROUP_LARGE, 1, 1, &is_clean) != 0)
        taken++;
    ck_assert_uint_ge(taken, SMALL_REGION_UNITS - SMALL_REGION_UNITS / 16 - 1); /* unit 0 is none */
    gci_heap_fini(&heap);
}
END_TEST

static void expect_no_roots(uint32_t unit, void *data)
{
    (void)data;
    ck_abort_msg("unit %u is a root", unit);
}

/* The first finds it fresh. What the second gives back may go to the system at once. */
static void tick_twice(struct heap *heap, struct cache *cache)
{
    struct release_work first = {.tick = 1, .budget_bytes = SIZE_MAX};
    struct release_work second = {.tick = 2, .budget_bytes = SIZE_MAX};
    size_t bytes = (size_t)u32_load(&cache->shelf.units) << BLOCK_SHIFT;
    gci_release_cache(heap, cache, &first);
    ck_assert(!first.has_given_units && first.waiting_bytes == bytes);
    gci_release_cache(heap, cache, &second);
    ck_assert(second.has_given_units && second.waiting_bytes == 0);
    ck_assert_uint_eq(gci_region_waiting_bytes(heap, (uint32_t)gci_options.release_ms), 0);
}

/* Whoever ends the keeping: a collection, a tick, the thread's end, and a child of fork for threads that it does not have. */
START_TEST(a_shelf_is_cleared)
{
    for (int way = 0; way < 4; way++) {
        struct heap heap;
        ck_assert_int_eq(gci_heap_init(&heap), 0);
        struct cache *kept = gci_cache_create(&heap);
        struct cache *cache = gci_cache_create(&heap);
        uint32_t unit = make_large(&heap, LARGE_BYTES);
        uint32_t living = make_large(&heap, LARGE_BYTES);
        shelve(&heap, cache, unit);
        ck_assert(!is_given_back(&heap, unit));
        if (way == 0)
            gci_sweep_prepare(&heap, expect_no_roots, NULL);
        else if (way == 1)
            tick_twice(&heap, cache);
        else if (way == 2)
            gci_cache_retire(&heap, cache);
        else
            gci_cache_retire_all_but(&heap, kept);
        ck_assert(is_given_back(&heap, unit));
        ck_assert(object_is_allocated(&heap, gci_resolve(&heap, unit_address(&heap, living))));
        ck_assert_uint_eq(region_used_bytes(&heap), LARGE_BYTES);
        uint32_t next = make_large(&heap, LARGE_BYTES);
        ck_assert_uint_eq(next, unit);
        gci_sweep_prepare(&heap, expect_no_roots, NULL);
        ck_assert(!is_given_back(&heap, next)); /* the shelf names it no longer */
        gci_heap_fini(&heap);
    }
}
END_TEST

struct other_thread {
    struct heap *heap;
    struct cache *cache;
    uint32_t unit; /* 0: clears the shelf */
};

static void *give_up(void *data)
{
    const struct other_thread *other = data;
    if (other->unit == 0)
        gci_large_clear_shelf(other->heap, other->cache);
    else
        shelve(other->heap, other->cache, other->unit);
    return NULL;
}

/* The parent waits for the region's lock on its way from the shelf, or to it. */
START_TEST(a_child_has_what_was_on_its_way)
{
    for (int way = 0; way < 2; way++) {
        struct heap heap;
        pthread_t thread;
        int status;
        ck_assert_int_eq(gci_heap_init(&heap), 0);
        struct cache *kept = gci_cache_create(&heap);
        struct other_thread other = {.heap = &heap, .cache = gci_cache_create(&heap)};
        for (unsigned units = 0; units < KEPT_UNITS_MAX; units += 4)
            shelve(&heap, other.cache, make_large(&heap, (size_t)4 * BLOCK_BYTES));
        if (way == 1)
            other.unit = make_large(&heap, LARGE_BYTES);
        gci_heap_lock_all(&heap);
        ck_assert_int_eq(pthread_create(&thread, NULL, give_up, &other), 0);
        while (u32_load(&other.cache->shelf.units) == KEPT_UNITS_MAX)
            sched_yield();
        pid_t child = fork();
        if (child == 0) {
            gci_heap_reset_locks(&heap);
            gci_cache_retire_all_but(&heap, kept);
            for (uint32_t unit = 1; unit < heap.frontier; unit++)
                if (!is_given_back(&heap, unit))
                    _exit(1);
            _exit(region_used_bytes(&heap) == 0 ? 0 : 2);
        }
        gci_heap_unlock_all(&heap);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
        pthread_join(thread, NULL);
        gci_heap_fini(&heap);
    }
}
END_TEST

/* What is far too large must not be taken for small. */
START_TEST(a_request_beyond_the_heap_gets_no_run)
{
    void *block = gca_malloc(BLOCK_BYTES);
    gca_free(block);
    ck_assert_uint_eq(u32_load(&gci_cache_self.cache->shelf.units), 1);
    ck_assert_ptr_null(gca_malloc(((size_t)1 << (32 + BLOCK_SHIFT)) + BLOCK_BYTES));
}
END_TEST

/* By hand, or as memory has run out: also where there are no collections. */
START_TEST(what_the_thread_keeps_is_released)
{
    void *block = gca_malloc_atomic((size_t)2 * BLOCK_BYTES);
    gca_free(block);
    ck_assert_uint_ge(gci_alloc_release(0), (size_t)2 * BLOCK_BYTES);
    ck_assert_uint_eq(u32_load(&gci_cache_self.cache->shelf.units), 0);
}
END_TEST

#define FEW_BYTES 16384
#define FEW_COUNT (8 * KEPT_UNITS_MAX)

static void *few[FEW_COUNT];

static void free_all(void)
{
    for (unsigned i = 0; i < FEW_COUNT; i++)
        gca_free(few[i]);
}

START_TEST(empty_blocks_are_kept_within_bounds)
{
    struct cache *cache = NULL;
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < FEW_COUNT; i++)
            few[i] = gca_malloc_atomic(FEW_BYTES);
        cache = gci_cache_self.cache;
        ck_assert_uint_eq(cache->kept_blocks, 0);
        free_all();
        ck_assert_uint_eq(cache->kept_blocks, KEPT_UNITS_MAX / KEPT_BLOCKS_SHARE);
    }
    gca_collect();
    ck_assert_uint_eq(cache->kept_blocks, 0);
}
END_TEST

/* What is remembered is taken from kept blocks as well, and a look at one may come in between: it is not kept twice. */
START_TEST(a_block_is_kept_once)
{
    for (unsigned i = 0; i < FEW_COUNT; i++)
        few[i] = gca_malloc_atomic(FEW_BYTES);
    free_all();
    struct cache *cache = gci_cache_self.cache;
    uint32_t kept = 0;
    for (unsigned i = 0; i < BLOCK_BYTES / FEW_BYTES; i++) /* what the block in use has */
        few[i] = gca_malloc_atomic(FEW_BYTES);
    for (int round = 0; round < 100; round++) {
        void *block = gca_malloc_atomic(FEW_BYTES);
        critical_enter();
        gci_refill_look(&gci_heap, cache, gci_resolve(&gci_heap, (uintptr_t)block).unit);
        critical_leave();
        gca_free(block);
    }
    for (uint32_t unit = 1; unit < gci_heap.frontier; unit++)
        kept += gci_heap.meta.hot[unit].use == UNIT_SMALL && block_at(&gci_heap, unit)->is_kept;
    ck_assert_uint_eq(cache->kept_blocks, kept);
}
END_TEST

/* Where nothing is collected, and what the next request wants is none of their sizes. */
START_TEST(empty_blocks_make_room_at_a_limit)
{
    for (unsigned i = 0; i < FEW_COUNT; i++)
        few[i] = gca_malloc_atomic(FEW_BYTES);
    free_all();
    const struct cache *cache = gci_cache_self.cache;
    ck_assert_uint_gt(cache->kept_blocks, 2);
    ck_assert_int_eq(gca_option_set("mode", "free"), 0);
    gci_options.heap_limit = region_used_bytes(&gci_heap) + BLOCK_BYTES;
    void *run = gca_malloc_atomic((size_t)cache->kept_blocks * BLOCK_BYTES);
    ck_assert_ptr_nonnull(run);
    ck_assert_uint_eq(cache->kept_blocks, 0);
    ck_assert_uint_le(region_used_bytes(&gci_heap), (size_t)gci_options.heap_limit);
}
END_TEST

/* Both together have one bound. */
START_TEST(blocks_and_runs_share_what_may_be_kept)
{
    void *runs[KEPT_UNITS_MAX];
    for (unsigned i = 0; i < KEPT_UNITS_MAX; i++)
        runs[i] = gca_malloc_atomic(BLOCK_BYTES);
    for (unsigned i = 0; i < FEW_COUNT; i++)
        few[i] = gca_malloc_atomic(FEW_BYTES);
    free_all();
    for (unsigned i = 0; i < KEPT_UNITS_MAX; i++)
        gca_free(runs[i]);
    const struct cache *cache = gci_cache_self.cache;
    ck_assert_uint_eq(cache->kept_blocks, KEPT_UNITS_MAX / KEPT_BLOCKS_SHARE);
    ck_assert_uint_eq(u32_load(&cache->shelf.units), KEPT_UNITS_MAX - cache->kept_blocks);
}
END_TEST

/* The record of sizes, which is written while nothing is stopped. */
START_TEST(what_is_on_a_shelf_does_not_live)
{
    static char buffer[WRITER_BUFFER_BYTES];
    struct writer writer = {.buffer = buffer};
    struct profile_size sizes[CLASS_COUNT + 1];
    void *living = gca_malloc_atomic((size_t)3 * BLOCK_BYTES);
    void *freed = gca_malloc_atomic((size_t)2 * BLOCK_BYTES);
    gca_free(freed);
    ck_assert_uint_eq(u32_load(&gci_cache_self.cache->shelf.units), 2);
    gci_sizes_write(&writer);
    size_t bytes = writer.used - sizeof(struct profile_record);
    ck_assert_uint_le(bytes, sizeof sizes);
    memcpy(sizes, buffer + sizeof(struct profile_record), bytes);
    const struct profile_size *large = &sizes[bytes / sizeof *sizes - 1];
    ck_assert_uint_eq(large->slot_bytes, 0);
    ck_assert_uint_eq(large->blocks, 2);
    ck_assert_uint_eq(large->live_objects, 1);
    ck_assert_uint_eq(large->live_bytes, (size_t)3 * BLOCK_BYTES);
    ck_assert_uint_eq(large->committed_bytes, (size_t)5 * BLOCK_BYTES);
    gca_free(living);
}
END_TEST

MAKE_SUITE(kept, a_freed_run_is_taken_again_by_what_fits, a_shelf_has_an_end, many_threads_keep_little_each,
           of_a_small_region_little_is_kept, a_shelf_is_cleared, a_child_has_what_was_on_its_way,
           what_the_thread_keeps_is_released, a_request_beyond_the_heap_gets_no_run,
           empty_blocks_are_kept_within_bounds, a_block_is_kept_once, empty_blocks_make_room_at_a_limit,
           blocks_and_runs_share_what_may_be_kept, what_is_on_a_shelf_does_not_live)
