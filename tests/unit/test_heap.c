/* SPDX-License-Identifier: MIT */
/* Size classes, units and blocks on private heaps. */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "alloc/refill.h"
#include "heap/block.h"
#include "heap/cache.h"
#include "heap/large.h"
#include "heap/region.h"
#include "heap/resolve.h"
#include "heap/special/counted.h"
#include "heap/sweep.h"
#include "platform/vm.h"
#include "support.h"

/* ---- Size classes ------------------------------------------------------------------------------------------------- */

START_TEST(every_offset_finds_its_slot)
{
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        const struct size_class *size_class = &gci_size_classes[c];
        unsigned wrong = 0;
        for (uint32_t offset = 0; offset < BLOCK_BYTES; offset++) {
            uint64_t product = (uint64_t)offset * size_class->reciprocal;
            wrong += product >> 32 != offset / size_class->bytes;
            wrong += ((uint32_t)product < size_class->reciprocal) != (offset % size_class->bytes == 0);
            wrong +=
                (product >> 32) / 64 >= size_class->words; /* also behind the last slot: a bit that is never free */
        }
        ck_assert_uint_eq(wrong, 0);
    }
}
END_TEST

START_TEST(every_size_gets_the_smallest_class)
{
    gci_size_class_init();
    unsigned wrong = 0;
    for (size_t bytes = 0; bytes <= SMALL_BYTES_MAX; bytes++) {
        size_t c = size_class_of(bytes);
        wrong += gci_size_classes[c].bytes < bytes || (c > 0 && gci_size_classes[c - 1].bytes >= bytes);
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(aligned_classes_are_multiples)
{
    gci_size_class_init();
    for (size_t alignment = 16; alignment <= SMALL_BYTES_MAX; alignment *= 2) {
        for (size_t bytes = 1; bytes <= SMALL_BYTES_MAX; bytes += 61) {
            unsigned c = size_class_aligned(bytes, alignment);
            ck_assert_uint_lt(c, CLASS_COUNT);
            ck_assert_uint_eq(gci_size_classes[c].bytes % alignment, 0);
            ck_assert_uint_ge(gci_size_classes[c].bytes, bytes);
        }
    }
    ck_assert_uint_eq(size_class_aligned(1, 2 * SMALL_BYTES_MAX), CLASS_COUNT);
}
END_TEST

/* ---- Region: against a plain map of units ------------------------------------------------------------------------- */

#define MODEL_UNITS 65536
#define MODEL_RUNS 400

struct run {
    uint32_t first;
    uint32_t count;
};

static uint8_t taken[MODEL_UNITS];

static void model_take(struct heap *heap, struct run run, bool is_clean)
{
    for (uint32_t u = run.first; u < run.first + run.count; u++) {
        ck_assert_uint_lt(u, MODEL_UNITS);
        ck_assert_uint_eq(taken[u], 0);
        taken[u] = 1;
        char *memory = (char *)unit_address(heap, u);
        if (is_clean)
            for (size_t i = 0; i < BLOCK_BYTES; i += 4096)
                ck_assert_int_eq(memory[i] | memory[i + 4095], 0);
        memory[0] = memory[4095] = memory[BLOCK_BYTES - 1] = 'x';
    }
}

static void model_give(struct heap *heap, struct run run)
{
    for (uint32_t u = run.first; u < run.first + run.count; u++)
        taken[u] = 0;
    gci_region_give(heap, run.first, run.count, PAST_FREED);
}

static struct run take_random(struct heap *heap, uint64_t *random)
{
    uint64_t r = random_next(random);
    bool is_small = r % 3 == 0;
    uint32_t count = is_small ? 1 : 1 + (uint32_t)(r >> 8) % (r % 7 == 0 ? 200 : 20);
    uint32_t alignment = is_small ? 1 : 1u << (r >> 40) % 10;
    bool is_clean;
    uint32_t first = gci_region_take(heap, is_small ? KIND_SCANNED + r % 2 : GROUP_LARGE, count, alignment, &is_clean);
    ck_assert_uint_ne(first, 0);
    ck_assert_uint_eq(unit_address(heap, first) % ((uintptr_t)alignment << BLOCK_SHIFT), 0);
    struct run run = {first, count};
    model_take(heap, run, is_clean);
    return run;
}

START_TEST(random_runs_never_overlap)
{
    struct heap heap;
    struct run runs[MODEL_RUNS] = {0};
    uint64_t random = random_seed();
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    for (int step = 0; step < 20000; step++) {
        struct run *run = &runs[random_next(&random) % MODEL_RUNS];
        bool is_clean;
        if (run->count == 0)
            *run = take_random(&heap, &random);
        else if (random_next(&random) % 4 == 0 && gci_region_extend(&heap, run->first + run->count, 3, &is_clean)) {
            model_take(&heap, (struct run){run->first + run->count, 3}, is_clean);
            run->count += 3;
        } else {
            model_give(&heap, *run);
            run->count = 0;
        }
        if (step % 500 == 0)
            gci_region_release(&heap, 0);
    }
    gci_heap_fini(&heap);
}
END_TEST

START_TEST(a_smaller_limit_shrinks_the_reservation)
{
    struct heap heap;
    bool is_clean;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t unit = gci_region_take(&heap, GROUP_LARGE, 10, 1, &is_clean);
    gci_region_shrink(&heap, (size_t)64 << 20);
    ck_assert_uint_le(heap.unit_limit, (64u << 20) >> BLOCK_SHIFT);
    memset((void *)unit_address(&heap, unit), 1, 10 * BLOCK_BYTES);
    ck_assert_uint_eq(gci_region_take(&heap, GROUP_LARGE, 600, 1, &is_clean), 0);
    ck_assert_uint_ne(gci_region_take(&heap, GROUP_LARGE, 100, 1, &is_clean), 0);
}
END_TEST

START_TEST(failing_commits_are_survived)
{
    for (uint64_t k = 1; k < 40; k++) {
        struct heap heap;
        bool is_clean;
        ck_assert_int_eq(gci_heap_init(&heap), 0);
        gci_vm_fail_at(k);
        uint32_t got = 0;
        for (int i = 0; i < 20; i++)
            got += gci_region_take(&heap, GROUP_LARGE, 300, 1, &is_clean) != 0;
        gci_vm_fail_at(0);
        ck_assert_uint_ge(got, 18);
        uint32_t unit = gci_region_take(&heap, GROUP_LARGE, 300, 1, &is_clean);
        ck_assert_uint_ne(unit, 0);
        memset((void *)unit_address(&heap, unit), 1, 300 * BLOCK_BYTES);
        gci_heap_fini(&heap);
    }
}
END_TEST

/* ---- Blocks ------------------------------------------------------------------------------------------------------- */

START_TEST(resolve_agrees_with_division)
{
    struct heap heap;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        uint32_t unit = gci_block_create(&heap, c, KIND_SCANNED, 7);
        uintptr_t start = unit_address(&heap, unit);
        const struct size_class *size_class = &gci_size_classes[c];
        ck_assert_uint_eq(gci_block_count_free(&heap, unit, 0), size_class->slots);
        for (uint32_t offset = 0; offset < BLOCK_BYTES; offset += 5) {
            struct object object = gci_resolve(&heap, start + offset);
            uint32_t slot = offset / size_class->bytes;
            ck_assert_uint_eq(object.unit, slot < size_class->slots ? unit : 0);
            if (object.unit != 0)
                ck_assert_uint_eq(object.start, start + (uintptr_t)slot * size_class->bytes);
            ck_assert(!object_is_allocated(&heap, object));
        }
    }
    gci_heap_fini(&heap);
}
END_TEST

START_TEST(large_objects_resolve_from_any_unit)
{
    struct heap heap;
    bool is_clean;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t unit = gci_large_create(&heap, KIND_ATOMIC, 300000, 0, &is_clean);
    uintptr_t start = unit_address(&heap, unit);
    for (size_t offset = 0; offset <= 300000; offset += 100) {
        struct object object = gci_resolve(&heap, start + offset);
        ck_assert_uint_eq(object.start, start);
        ck_assert_uint_eq(object.bytes, 300000);
        ck_assert(object.is_large && object.kind == KIND_ATOMIC);
    }
    ck_assert_uint_eq(gci_resolve(&heap, start + 300001).unit, 0);
    size_t clean_from;
    bool is_stale;
    ck_assert(gci_large_resize(&heap, unit, 900000, &clean_from, &is_stale) && !is_stale);
    ck_assert_uint_eq(gci_resolve(&heap, start + 899999).unit, unit);
    gci_large_destroy(&heap, unit, PAST_FREED);
    ck_assert_uint_eq(gci_resolve(&heap, start).unit, 0);
    ck_assert_uint_eq(region_used_bytes(&heap), 0);
    gci_heap_fini(&heap);
}
END_TEST

#define OLD_BYTE 0xee

static bool has_old_bytes(const struct heap *heap, uint32_t unit, size_t from, size_t to)
{
    const unsigned char *start = (const unsigned char *)unit_address(heap, unit);
    for (size_t i = from; i < to; i++)
        if (start[i] == OLD_BYTE)
            return true;
    return false;
}

/* Whether a block of that class and kind shows what lay in one that was used to its end and went as `past` says: anywhere, or
 * where headers are. */
static bool shows_old(unsigned old_class, enum block_kind old_kind, enum unit_past past, unsigned class_index,
                      enum block_kind kind)
{
    struct heap heap;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t unit = gci_block_create(&heap, old_class, old_kind, 1);
    ck_assert(gci_block_touch_word(&heap, unit, 0));
    memset((void *)unit_address(&heap, unit), OLD_BYTE, BLOCK_BYTES);
    gci_block_destroy(&heap, unit, past);
    ck_assert_uint_eq(gci_block_create(&heap, class_index, kind, 1), unit);
    ck_assert(gci_block_touch_word(&heap, unit, 0));
    const struct size_class *size_class = block_class(&heap, unit);
    size_t looked_at = kind == KIND_HEADED ? sizeof(uint64_t) : size_class->bytes;
    bool is_shown = false;
    for (size_t at = 0; at < size_class->slots * size_class->bytes; at += size_class->bytes)
        is_shown = is_shown || has_old_bytes(&heap, unit, at, at + looked_at);
    gci_heap_fini(&heap);
    return is_shown;
}

/* It may stay for slots of the same size, whose words were pointers or not as they will be now, and where none is looked at. */
START_TEST(what_was_reclaimed_is_cleared_for_other_blocks)
{
    ck_assert(!shows_old(3, KIND_SCANNED, PAST_RECLAIMED, 7, KIND_SCANNED));
    ck_assert(!shows_old(3, KIND_ATOMIC, PAST_RECLAIMED, 3, KIND_SCANNED));
    ck_assert(!shows_old(3, KIND_HEADED, PAST_RECLAIMED, 3, KIND_SCANNED));
    ck_assert(!shows_old(3, KIND_SCANNED, PAST_RECLAIMED, 3, KIND_HEADED));
    ck_assert(!shows_old(3, KIND_SCANNED, PAST_FREED, 3, KIND_HEADED));
    ck_assert(shows_old(3, KIND_HEADED, PAST_FREED, 3, KIND_HEADED));
    ck_assert(shows_old(3, KIND_SCANNED, PAST_RECLAIMED, 3, KIND_SCANNED));
    ck_assert(shows_old(3, KIND_SCANNED, PAST_RECLAIMED, 7, KIND_ATOMIC));
    ck_assert(shows_old(3, KIND_SCANNED, PAST_FREED, 7, KIND_SCANNED));
    ck_assert(shows_old(3, KIND_SCANNED, PAST_FREED, 7, KIND_ATOMIC));
}
END_TEST

/* What the block in between has not come to is as old as before. */
START_TEST(what_was_not_reached_is_still_to_be_cleared)
{
    struct heap heap;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t unit = gci_block_create(&heap, 3, KIND_SCANNED, 1);
    memset((void *)unit_address(&heap, unit), OLD_BYTE, BLOCK_BYTES);
    gci_block_destroy(&heap, unit, PAST_RECLAIMED);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(gci_block_create(&heap, 2, KIND_SCANNED, 1), unit);
        ck_assert(gci_block_touch_word(&heap, unit, block_class(&heap, unit)->words - 1));
        if (i == 0)
            gci_block_destroy(&heap, unit, PAST_RECLAIMED);
    }
    ck_assert(gci_block_touch_word(&heap, unit, 0));
    ck_assert(!has_old_bytes(&heap, unit, 0, block_class(&heap, unit)->slots * block_class(&heap, unit)->bytes));
    gci_heap_fini(&heap);
}
END_TEST

/* Made of what was reclaimed in part, and grown into the rest of it. */
START_TEST(large_objects_know_what_was_reclaimed)
{
    struct heap heap;
    bool is_clean, is_stale;
    size_t clean_from;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t first = gci_large_create(&heap, KIND_SCANNED, 4 * (size_t)BLOCK_BYTES, 0, &is_clean);
    ck_assert(is_clean && !block_at(&heap, first)->is_stale);
    gci_large_destroy(&heap, first, PAST_RECLAIMED);
    uint32_t again = gci_large_create(&heap, KIND_SCANNED, 2 * (size_t)BLOCK_BYTES, 0, &is_clean);
    ck_assert_uint_eq(again, first);
    ck_assert(!is_clean && block_at(&heap, again)->is_stale);
    ck_assert(gci_large_resize(&heap, again, 3 * (size_t)BLOCK_BYTES, &clean_from, &is_stale) && is_stale);
    gci_large_destroy(&heap, again, PAST_FREED);
    uint32_t last = gci_large_create(&heap, KIND_SCANNED, 2 * (size_t)BLOCK_BYTES, 0, &is_clean);
    ck_assert_uint_eq(last, first);
    ck_assert(!is_clean && !block_at(&heap, last)->is_stale);
    gci_heap_fini(&heap);
}
END_TEST

START_TEST(an_object_that_cannot_grow_counts_as_before)
{
    struct heap heap;
    bool is_clean, is_stale;
    size_t clean_from;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t unit = gci_large_create(&heap, KIND_SCANNED, BLOCK_BYTES, 0, &is_clean);
    ck_assert_uint_eq(gci_large_create(&heap, KIND_SCANNED, BLOCK_BYTES, 0, &is_clean), unit + 1);
    ck_assert(!gci_large_resize(&heap, unit, 3 * (size_t)BLOCK_BYTES, &clean_from, &is_stale));
    ck_assert_uint_eq(region_used_bytes(&heap), 2 * (size_t)BLOCK_BYTES);
    gci_heap_fini(&heap);
}
END_TEST

/* Before the program has written it: the marker follows what it names. */
START_TEST(the_header_of_a_new_large_object_names_nothing)
{
    struct heap heap;
    bool is_clean;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t unit = gci_large_create(&heap, KIND_SCANNED, BLOCK_BYTES, 0, &is_clean);
    struct counted *counted = (struct counted *)unit_address(&heap, unit);
    memset(counted, 1, sizeof *counted);
    gci_large_destroy(&heap, unit, PAST_FREED);
    ck_assert_uint_eq(gci_large_create(&heap, KIND_HEADED, BLOCK_BYTES, 0, &is_clean), unit);
    ck_assert_ptr_null(counted_type(counted));
    gci_heap_fini(&heap);
}
END_TEST

/* A freer in another thread; the owner must be told once `wanted` slots are free, whatever the timing. */
struct race {
    struct heap *heap;
    uint32_t unit;
    uint32_t slots;
    volatile u32_shared due;
};

static void *free_remotely(void *data)
{
    struct race *race = data;
    struct block *block = block_at(race->heap, race->unit);
    for (uint32_t slot = 0; slot < race->slots; slot++) {
        block_set_remote(block, slot / 64, UINT64_C(1) << slot % 64);
        if (block_is_due(block, gci_cache_count_remote(race->heap, race->unit)))
            u32_store(&race->due, 1);
    }
    return NULL;
}

START_TEST(no_wake_up_is_lost)
{
    struct heap heap;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    gci_size_class_init();
    for (int round = 0; round < 3000; round++) {
        struct race race = {.heap = &heap, .slots = 1 + (uint32_t)round % 64};
        race.unit = gci_block_create(&heap, (unsigned)size_class_of(1024), KIND_SCANNED, 7);
        block_at(&heap, race.unit)->free[0] = 0;
        pthread_t thread;
        pthread_create(&thread, NULL, free_remotely, &race);
        bool armed = false;
        uint32_t count = gci_block_fold_all(&heap, race.unit);
        while (count < race.slots && !(armed = gci_block_arm(block_at(&heap, race.unit), race.slots - count)))
            count = gci_block_fold_all(&heap, race.unit);
        pthread_join(thread, NULL);
        ck_assert(!armed || u32_load(&race.due) == 1);
        ck_assert_uint_eq(gci_block_fold_all(&heap, race.unit), race.slots);
        gci_block_destroy(&heap, race.unit, PAST_FREED);
    }
    gci_heap_fini(&heap);
}
END_TEST

START_TEST(retired_blocks_are_adopted_or_given_back)
{
    struct heap heap;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    struct cache *cache = gci_cache_create(&heap);
    ck_assert_ptr_nonnull(cache);
    uint32_t empty = gci_block_create(&heap, 3, KIND_SCANNED, cache->id);
    uint32_t used = gci_block_create(&heap, 3, KIND_SCANNED, cache->id);
    block_at(&heap, used)->free[0] &= ~UINT64_C(1);
    unit_list_push_head(&heap, &cache->owned[KIND_SCANNED][3].full, empty);
    unit_list_push_head(&heap, &cache->owned[KIND_SCANNED][3].full, used);
    gci_cache_retire(&heap, cache);
    ck_assert_uint_eq(heap.meta.hot[empty].use, UNIT_FREE);
    ck_assert_uint_eq(heap.abandoned[KIND_SCANNED][3].head, used);
    ck_assert_uint_eq(block_owner(block_at(&heap, used)), OWNER_NONE);
    ck_assert_ptr_eq(gci_cache_create(&heap), cache);
    gci_heap_fini(&heap);
}
END_TEST

#define ROUNDS 50000

/* Who waits for the other lets it run. */
static void wait_for(volatile u32_shared *at, uint32_t value)
{
    while (u32_load_acquire(at) != value)
        sched_yield();
}

/* In round n, which begins when `due` is 2n + 1: frees slots, then sets it to 2n + 2. */
static void *free_in_rounds(void *data)
{
    struct race *race = data;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        wait_for(&race->due, 2 * round + 1);
        struct block *block = block_at(race->heap, race->unit);
        for (uint32_t slot = 0; slot < race->slots; slot++) {
            block_set_remote(block, slot / 64, UINT64_C(1) << slot % 64);
            if (block_is_due(block, gci_cache_count_remote(race->heap, race->unit)))
                gci_refill_wake(race->heap, race->unit);
        }
        u32_store_release(&race->due, 2 * round + 2);
    }
    return NULL;
}

/* Its owner ends while another thread frees the last slots. */
START_TEST(an_empty_block_without_owner_is_always_given_back)
{
    struct heap heap;
    struct race race = {.heap = &heap};
    pthread_t thread;
    unsigned class_index = (unsigned)size_class_of(1024);
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    pthread_create(&thread, NULL, free_in_rounds, &race);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct cache *cache = gci_cache_create(&heap);
        uint32_t unit = race.unit = gci_block_create(&heap, class_index, KIND_SCANNED, cache->id);
        race.slots = 1 + round % 5;
        block_at(&heap, unit)->free[0] = ~low_bits(race.slots);
        unit_list_push_head(&heap, &cache->owned[KIND_SCANNED][class_index].full, unit);
        u32_store_release(&race.due, 2 * round + 1);
        for (volatile uint32_t wait = 0; wait < round % 128; wait++)
            ;
        gci_cache_retire(&heap, cache);
        wait_for(&race.due, 2 * round + 2);
        ck_assert_uint_eq(heap.meta.hot[unit].use, UNIT_FREE);
    }
    pthread_join(thread, NULL);
    gci_heap_fini(&heap);
}
END_TEST

START_TEST(a_second_remote_free_changes_nothing)
{
    static struct block block;
    ck_assert(block_set_remote(&block, 0, 4));
    ck_assert(block_set_remote(&block, 0, UINT64_C(1) << 63));
    ck_assert(!block_set_remote(&block, 0, 4));
    ck_assert(!block_set_remote(&block, 0, UINT64_C(1) << 63));
    ck_assert_uint_eq(word_load(&block.remote[0]), 4 | UINT64_C(1) << 63);
}
END_TEST

/* The thread that has freed a slot is not in the child of fork, and had got as far as the bit. */
START_TEST(a_child_counts_a_free_that_was_half_done)
{
    struct heap heap;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    struct cache *kept = gci_cache_create(&heap);
    for (unsigned bytes = 64; bytes <= 1024; bytes *= 16) { /* many words, and one */
        uint32_t unit = gci_block_create(&heap, (unsigned)size_class_of(bytes), KIND_SCANNED, kept->id);
        struct block *block = block_at(&heap, unit);
        uint32_t slots = block_class(&heap, unit)->slots;
        block->free[0] &= ~UINT64_C(6);
        ck_assert(block_set_remote(block, 0, 2));
        gci_cache_retire_all_but(&heap, kept);
        ck_assert(gci_block_is_settled(&heap, unit));
        ck_assert_uint_eq(u32_load(&block->custody), kept->id | IS_NOTED);
        ck_assert_uint_eq(block_fold(&heap, unit, block_class(&heap, unit)), slots - 1);
    }
    gci_heap_fini(&heap);
}
END_TEST

MAKE_SUITE(size_class, every_offset_finds_its_slot, every_size_gets_the_smallest_class, aligned_classes_are_multiples)
MAKE_SUITE(region, random_runs_never_overlap, a_smaller_limit_shrinks_the_reservation, failing_commits_are_survived)
static struct heap shared_heap;
static volatile int owners[64];
static volatile int cache_was_shared;

static void *come_and_go(void *data)
{
    for (int i = 0; i < 20000; i++) {
        struct cache *cache = gci_cache_create(&shared_heap);
        if (__atomic_exchange_n(&owners[cache->id], 1, __ATOMIC_ACQ_REL))
            __atomic_store_n(&cache_was_shared, 1, __ATOMIC_RELAXED);
        __atomic_store_n(&owners[cache->id], 0, __ATOMIC_RELEASE);
        gci_cache_retire(&shared_heap, cache);
    }
    return data;
}

START_TEST(a_cache_has_one_thread)
{
    pthread_t threads[4];
    ck_assert_int_eq(gci_heap_init(&shared_heap), 0);
    gci_cache_retire(&shared_heap, gci_cache_create(&shared_heap)); /* the first one is made alone */
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, come_and_go, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert(!cache_was_shared);
    gci_heap_fini(&shared_heap);
}
END_TEST
MAKE_SUITE(block, a_cache_has_one_thread, resolve_agrees_with_division, large_objects_resolve_from_any_unit,
           what_was_reclaimed_is_cleared_for_other_blocks, what_was_not_reached_is_still_to_be_cleared,
           large_objects_know_what_was_reclaimed, no_wake_up_is_lost, retired_blocks_are_adopted_or_given_back,
           an_empty_block_without_owner_is_always_given_back, a_second_remote_free_changes_nothing,
           a_child_counts_a_free_that_was_half_done, an_object_that_cannot_grow_counts_as_before,
           the_header_of_a_new_large_object_names_nothing)
