/* SPDX-License-Identifier: MIT */
/* Pages that blocks give back: which ones, when, and what becomes of the marks. */
#include <string.h>
#include <time.h>

#include "alloc/refill.h"
#include "heap/region.h"
#include "heap/release.h"
#include "support.h"

#define PAGE 4096u
#define NO_BUDGET SIZE_MAX

static struct release_work tick(uint16_t number)
{
    return (struct release_work){.tick = number, .budget_bytes = NO_BUDGET};
}

static struct release_work release_at(struct heap *heap, struct cache *cache, uint16_t number)
{
    struct release_work work = tick(number);
    gci_release_cache(heap, cache, &work);
    return work;
}

/* ---- Which pages -------------------------------------------------------------------------------------------------- */

static bool is_bit_free(const struct heap *heap, uint32_t unit, uint32_t slot)
{
    uint64_t bits = block_free_bits(block_at(heap, unit), slot / 64);
    return (bits >> slot % 64 & 1) != 0;
}

/* Slot by slot. */
static uint32_t pages_by_slots(const struct heap *heap, uint32_t unit)
{
    const struct size_class *size_class = block_class(heap, unit);
    uint32_t pages = 0xffff;
    for (uint32_t slot = 0; slot < size_class->slots; slot++) {
        if (is_bit_free(heap, unit, slot))
            continue;
        for (uint32_t at = slot * size_class->bytes; at < (slot + 1) * size_class->bytes; at += 16)
            pages &= ~(1u << at / PAGE);
    }
    return pages;
}

static uint64_t sparse_bits(uint64_t *random, uint64_t share)
{
    uint64_t bits = 0;
    for (int i = 0; i < 64; i++)
        bits |= (uint64_t)(random_next(random) % 1000 < share) << i;
    return bits;
}

START_TEST(pages_are_those_that_a_look_at_every_slot_finds)
{
    struct heap heap;
    uint64_t random = random_seed();
    const uint64_t shares[] = {0, 1, 5, 50, 500};
    unsigned found = 0;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    for (unsigned class_index = 0; class_index < CLASS_COUNT; class_index++) {
        uint32_t unit = gci_block_create(&heap, class_index, KIND_SCANNED, OWNER_NONE);
        struct block *block = block_at(&heap, unit);
        unsigned words = gci_size_classes[class_index].words;
        block->was_clean = false;
        for (int round = 0; round < 100; round++) {
            for (unsigned i = 0; i < words; i++) {
                uint64_t valid = block_valid_bits(&gci_size_classes[class_index], i);
                uint64_t is_free = valid & ~sparse_bits(&random, shares[round % 5]);
                uint64_t is_remote = random_next(&random);
                block->free[i] = is_free & ~is_remote;
                word_store(&block_at(&heap, unit)->remote[i], is_free & is_remote);
            }
            uint32_t pages = gci_release_free_pages(&heap, unit);
            ck_assert_uint_eq(pages, pages_by_slots(&heap, unit));
            found += pages != 0 && pages != 0xffff;
        }
    }
    ck_assert_uint_gt(found, 100);
    gci_heap_fini(&heap);
}
END_TEST

/* ---- A cache of one class ----------------------------------------------------------------------------------------- */

/* 16 slots on each page, four words of bitmap. */
#define CLASS ((unsigned)size_class_of(SLOT_BYTES))
#define SLOTS 256
#define SLOT_BYTES 256

#define BLOCKS_MAX 96

struct scene {
    struct heap heap;
    struct cache *cache;
    unsigned char *slots[SLOTS * BLOCKS_MAX];
    size_t count;
};
static struct scene scene;

static unsigned char *take(void)
{
    struct window *window = &scene.cache->windows[KIND_SCANNED][CLASS];
    bool is_open = *window_word(window) != 0;
    if (!is_open)
        ck_assert_int_eq(gci_refill(&scene.heap, scene.cache, KIND_SCANNED, CLASS, false), REFILL_DONE);
    unsigned char *slot = window_take(window, window_word(window), *window_word(window));
    uintptr_t offset = (uintptr_t)slot - scene.heap.base;
    const struct block *block = block_at(&scene.heap, (uint32_t)(offset / BLOCK_BYTES));
    ck_assert(is_open || (block->absent_pages >> offset % BLOCK_BYTES / PAGE & 1) == 0);
    return slot;
}

static void give(const unsigned char *slot)
{
    uintptr_t offset = (uintptr_t)slot - scene.heap.base;
    uint32_t unit = (uint32_t)(offset / BLOCK_BYTES);
    uint32_t index = (uint32_t)(offset % BLOCK_BYTES / SLOT_BYTES);
    struct block *block = block_at(&scene.heap, unit);
    block->free[index / 64] |= UINT64_C(1) << index % 64;
    if (--block->countdown == 0)
        gci_refill_look(&scene.heap, scene.cache, unit);
}

static void fill_scene(size_t blocks)
{
    ck_assert_uint_eq(gci_size_classes[CLASS].bytes, SLOT_BYTES);
    ck_assert_int_eq(gci_heap_init(&scene.heap), 0);
    scene.cache = gci_cache_create(&scene.heap);
    scene.count = blocks * SLOTS;
    for (size_t i = 0; i < scene.count; i++) {
        scene.slots[i] = take();
        memset(scene.slots[i], (int)(i % 251 + 1), SLOT_BYTES);
    }
}

/* All but one slot in `share`. */
static void thin_out(size_t share)
{
    for (size_t i = 0; i < scene.count; i++) {
        if (i % share == 0)
            continue;
        give(scene.slots[i]);
        scene.slots[i] = NULL;
    }
}

static void check_live(void)
{
    size_t wrong = 0;
    for (size_t i = 0; i < scene.count; i++)
        for (size_t at = 0; scene.slots[i] != NULL && at < SLOT_BYTES; at++)
            wrong += scene.slots[i][at] != i % 251 + 1;
    ck_assert_uint_eq(wrong, 0);
}

static void refill_scene(void)
{
    for (size_t i = 0; i < scene.count; i++) {
        if (scene.slots[i] != NULL)
            continue;
        scene.slots[i] = take();
        memset(scene.slots[i], (int)(i % 251 + 1), SLOT_BYTES);
    }
}

START_TEST(what_is_idle_for_a_tick_goes_and_comes_back)
{
    fill_scene(8);
    for (uint16_t round = 0; round < 10; round++) {
        uint16_t number = (uint16_t)(round * 2 + 1);
        thin_out(40); /* one slot on two and a half pages */
        ck_assert_uint_eq(release_at(&scene.heap, scene.cache, number).released_bytes, 0);
        struct release_work work = release_at(&scene.heap, scene.cache, (uint16_t)(number + 1));
        ck_assert_uint_gt(work.released_bytes, 4 * (size_t)BLOCK_BYTES);
        ck_assert_uint_eq(release_at(&scene.heap, scene.cache, (uint16_t)(number + 2)).released_bytes, 0);
        check_live();
        refill_scene();
        check_live();
    }
    gci_heap_fini(&scene.heap);
}
END_TEST

START_TEST(a_block_that_is_used_is_not_idle)
{
    fill_scene(1);
    for (size_t i = 0; i < SLOTS; i++)
        give(scene.slots[i]); /* the current block: nobody looks */
    for (uint16_t number = 1; number < 20; number++) {
        struct release_work work = release_at(&scene.heap, scene.cache, number);
        ck_assert_uint_eq(work.released_bytes, 0);
        ck_assert_uint_gt(work.waiting_bytes, 0);
        ck_assert_uint_eq(release_at(&scene.heap, scene.cache, number).released_bytes, 0); /* the same tick goes on */
        const unsigned char *slots[SLOTS];
        for (size_t i = 0; i < SLOTS; i++)
            slots[i] = take();
        for (size_t i = 0; i < SLOTS; i++)
            give(slots[i]);
    }
    gci_heap_fini(&scene.heap);
}
END_TEST

START_TEST(a_share_of_work_ends_at_its_budget)
{
    fill_scene(32);
    thin_out(SLOTS);
    release_at(&scene.heap, scene.cache, 1);
    size_t released = 0;
    int shares = 0;
    for (struct release_work work = {.is_cut_short = true}; work.is_cut_short; shares++) {
        work = tick(2);
        work.budget_bytes = 4 * (size_t)BLOCK_BYTES;
        gci_release_cache(&scene.heap, scene.cache, &work);
        ck_assert_uint_le(work.released_bytes, 5 * (size_t)BLOCK_BYTES);
        released += work.released_bytes;
    }
    ck_assert_int_gt(shares, 5);
    ck_assert_uint_gt(released, 31 * 15 * (size_t)PAGE);
    check_live();
    gci_heap_fini(&scene.heap);
}
END_TEST

START_TEST(blocks_without_an_owner_go_too)
{
    fill_scene(16);
    thin_out(SLOTS);
    gci_cache_retire(&scene.heap, scene.cache);
    for (uint16_t number = 1; number <= 2; number++) {
        struct release_work work = tick(number);
        gci_release_abandoned(&scene.heap, &work);
        if (number == 1)
            ck_assert_uint_eq(work.released_bytes, 0);
        else
            ck_assert_uint_gt(work.released_bytes, 15 * 15 * (size_t)PAGE);
    }
    check_live();
    scene.cache = gci_cache_create(&scene.heap);
    refill_scene();
    check_live();
    gci_heap_fini(&scene.heap);
}
END_TEST

START_TEST(frees_after_a_tick_are_heard_of)
{
    fill_scene(16);
    thin_out(4);
    release_at(&scene.heap, scene.cache, 1);
    release_at(&scene.heap, scene.cache, 2);
    u32_store(&scene.cache->may_release, 0);
    for (size_t i = 0; i < scene.count; i++)
        if (scene.slots[i] != NULL && i % SLOTS != 0) {
            give(scene.slots[i]);
            scene.slots[i] = NULL;
        }
    ck_assert_uint_ne(u32_load(&scene.cache->may_release), 0);
    release_at(&scene.heap, scene.cache, 3);
    ck_assert_uint_gt(release_at(&scene.heap, scene.cache, 4).released_bytes, 10 * 12 * (size_t)PAGE);
    check_live();
    gci_heap_fini(&scene.heap);
}
END_TEST

/* ---- Whether it is worth it --------------------------------------------------------------------------------------- */

static unsigned calls;

static void count_call(void)
{
    calls++;
    gci_release_watch(&scene.heap, false);
}

START_TEST(little_is_never_worth_a_tick)
{
    fill_scene(24); /* 1.5 MiB */
    calls = 0;
    gci_release_watch(&scene.heap, true);
    scene.heap.on_worth = count_call;
    for (int round = 0; round < 100; round++) {
        thin_out(1000000);
        refill_scene();
    }
    ck_assert_uint_gt(word_load(&scene.heap.noted_bytes), 10 * RELEASE_WORTH_BYTES);
    ck_assert_uint_eq(calls, 0);
    gci_heap_fini(&scene.heap);
}
END_TEST

START_TEST(much_is_worth_one)
{
    fill_scene(64); /* 4 MiB */
    calls = 0;
    gci_release_watch(&scene.heap, true);
    scene.heap.on_worth = count_call;
    thin_out(1000000);
    ck_assert_uint_eq(calls, 1);
    gci_heap_fini(&scene.heap);
}
END_TEST

START_TEST(much_is_worth_one_though_no_block_is_empty)
{
    fill_scene(BLOCKS_MAX); /* 6 MiB */
    calls = 0;
    gci_release_watch(&scene.heap, true);
    scene.heap.on_worth = count_call;
    for (size_t slot = 0; slot < SLOTS; slot++)
        for (size_t block = 0; block < BLOCKS_MAX && slot % 64 != 0; block++)
            give(scene.slots[block * SLOTS + slot]);
    ck_assert_uint_eq(calls, 1);
    gci_heap_fini(&scene.heap);
}
END_TEST

static void wait_ms(long ms)
{
    struct timespec time = {0, ms * 1000000};
    nanosleep(&time, NULL);
}

START_TEST(units_wait_for_the_last_of_their_group)
{
    struct heap heap;
    bool is_clean;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t first = gci_region_take(&heap, KIND_SCANNED, 1, 1, &is_clean);
    uint32_t second = gci_region_take(&heap, KIND_SCANNED, 1, 1, &is_clean);
    uint32_t kept = gci_region_take(&heap, KIND_SCANNED, 1, 1, &is_clean);
    gci_region_give(&heap, first, 1, PAST_FREED);
    wait_ms(200);
    gci_region_give(&heap, second, 1, PAST_FREED);
    ck_assert_uint_eq(gci_region_release(&heap, 150), 0);
    ck_assert_uint_eq(gci_region_waiting_bytes(&heap, 150), 2 * (size_t)BLOCK_BYTES);
    wait_ms(200);
    ck_assert_uint_eq(gci_region_release(&heap, 150), 2 * (size_t)BLOCK_BYTES);
    ck_assert_uint_eq(gci_region_waiting_bytes(&heap, 150), 0);
    gci_region_give(&heap, kept, 1, PAST_FREED);
    gci_heap_fini(&heap);
}
END_TEST

/* "hg" or "nh" where huge pages are wanted or refused for what lies at `address`. */
static bool has_flag(uintptr_t address, const char *flag)
{
    char line[512];
    bool is_inside = false;
    bool found = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t lo, hi;
        if (sscanf(line, "%zx-%zx ", &lo, &hi) == 2)
            is_inside = address >= lo && address < hi;
        else if (is_inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, flag) != NULL;
    }
    fclose(maps);
    return found;
}

static bool system_has_huge_pages(void)
{
    return access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) == 0;
}

static void init_heap(struct heap *heap, enum huge_habit habit, uint32_t caches)
{
    ck_assert_int_eq(gci_heap_init(heap), 0);
    heap->huge_habit = habit;
    u32_store(&heap->cache_count, caches);
}

static void fini_heap(struct heap *heap)
{
    u32_store(&heap->cache_count, 0);
    gci_heap_fini(heap);
}

/* The first unit with huge pages, the last taken without any. */
static uint32_t take_until_huge(struct heap *heap)
{
    bool is_clean;
    uint32_t unit;
    do
        unit = gci_region_take(heap, KIND_SCANNED, 1, 1, &is_clean);
    while (unit != 0 && unit < 8192 && !gci_region_is_huge(heap, unit));
    return unit;
}

START_TEST(huge_pages_come_with_large_heaps)
{
    const struct {
        enum huge_habit habit;
        uint32_t caches;
        uint32_t mib;
    } cases[] = {{HUGE_ON_REQUEST, 1, 256}, {HUGE_USUAL, 1, 16}, {HUGE_USUAL, 3, 48}, {HUGE_USUAL, 100, 256}};
    for (size_t i = 0; system_has_huge_pages() && i < sizeof cases / sizeof *cases; i++) {
        struct heap heap;
        uint32_t expected = (cases[i].mib << 20) / BLOCK_BYTES;
        init_heap(&heap, cases[i].habit, cases[i].caches);
        uint32_t unit = take_until_huge(&heap);
        ck_assert_uint_ge(unit,
                          expected - expected / 8 - 4 * UNITS_PER_GROUP); /* the frontier is ahead of what is used */
        ck_assert_uint_le(unit, expected + UNITS_PER_GROUP);
        ck_assert(has_flag(unit_address(&heap, unit), " hg"));
        ck_assert(has_flag(unit_address(&heap, 1), " nh"));
        fini_heap(&heap);
    }
}
END_TEST

/* What is usual on the system, large objects get as well; what then becomes small ones in a small heap does not. */
START_TEST(large_objects_get_what_is_usual)
{
    const enum huge_habit habits[] = {HUGE_ON_REQUEST, HUGE_USUAL};
    for (size_t i = 0; system_has_huge_pages() && i < 2; i++) {
        struct heap heap;
        bool is_clean;
        init_heap(&heap, habits[i], 4);
        uint32_t run = gci_region_take(&heap, GROUP_LARGE, 100, 1, &is_clean);
        uint32_t inside = (uint32_t)align_up(run, UNITS_PER_GROUP) + 1;
        ck_assert(has_flag(unit_address(&heap, inside), habits[i] == HUGE_USUAL ? " hg" : " nh"));
        gci_region_give(&heap, run, 100, PAST_FREED);
        gci_region_release(&heap, 0);
        for (uint32_t unit = 1; unit < inside;) {
            unit = gci_region_take(&heap, KIND_SCANNED, 1, 1, &is_clean);
            ck_assert(unit != 0 && !gci_region_is_huge(&heap, unit));
            ck_assert(has_flag(unit_address(&heap, unit), " nh"));
        }
        fini_heap(&heap);
    }
}
END_TEST

/* The whole of a group with huge pages goes back, also what was never used of it. */
START_TEST(groups_with_huge_pages_go_whole)
{
    struct heap heap;
    bool is_clean;
    init_heap(&heap, HUGE_ON_REQUEST, 1);
    uint32_t unit = take_until_huge(&heap);
    if (gci_region_is_huge(&heap, unit)) { /* else the system has none */
        *(volatile char *)unit_address(&heap, unit) = 1;
        gci_region_give(&heap, unit, 1, PAST_FREED);
        ck_assert_uint_eq(gci_region_release(&heap, 0), UNITS_PER_GROUP * (size_t)BLOCK_BYTES);
        ck_assert(!gci_region_is_huge(&heap, unit));
        uint32_t run = gci_region_take(&heap, GROUP_LARGE, 40, 1, &is_clean);
        ck_assert(run != 0 && !gci_region_is_huge(&heap, run));
        ck_assert_uint_ne(u32_load(&heap.prefers_huge), 0);
        gci_region_end_huge(&heap);
        ck_assert_uint_eq(u32_load(&heap.prefers_huge), 0);
    }
    fini_heap(&heap);
}
END_TEST

MAKE_SUITE(release, pages_are_those_that_a_look_at_every_slot_finds, what_is_idle_for_a_tick_goes_and_comes_back,
           a_block_that_is_used_is_not_idle, a_share_of_work_ends_at_its_budget, blocks_without_an_owner_go_too,
           frees_after_a_tick_are_heard_of, little_is_never_worth_a_tick, much_is_worth_one,
           much_is_worth_one_though_no_block_is_empty, units_wait_for_the_last_of_their_group,
           huge_pages_come_with_large_heaps, large_objects_get_what_is_usual, groups_with_huge_pages_go_whole)
