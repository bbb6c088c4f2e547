/* SPDX-License-Identifier: MIT */
/* The marker on private heaps, against plain reachability. */
#include <pthread.h>
#include <string.h>

#include "heap/large.h"
#include "heap/resolve.h"
#include "heap/sweep.h"
#include "mark/mark.h"
#include "mark/verify.h"
#include "support.h"

#define NODES 4000
#define FIELDS 4

struct model {
    uintptr_t address[NODES];
    uint32_t unit[NODES];
    uint32_t slot[NODES];
    bool is_atomic[NODES];
    int edge[NODES][FIELDS]; /* index, or -1 */
    bool is_reachable[NODES];
};

static struct model model;
static int work_list[NODES];

static void no_unit(uint32_t unit, void *data)
{
    (void)unit;
    (void)data;
}

/* Takes slots one after the other from blocks of random classes and kinds; some objects are large. */
static void make_object(struct heap *heap, uint64_t *random, int node)
{
    static uint32_t open_unit[2][CLASS_COUNT];
    static uint32_t next_slot[2][CLASS_COUNT];
    uint64_t r = random_next(random);
    unsigned kind = r % 5 == 0 ? KIND_ATOMIC : KIND_SCANNED;
    unsigned c = 1 + (unsigned)(r >> 8) % 20;
    if (node == 0)
        memset(open_unit, 0, sizeof open_unit);
    bool is_clean;
    if (r % 97 == 0) {
        model.unit[node] = gci_large_create(heap, kind, 40000 + (r >> 20) % 200000, 0, &is_clean);
        model.slot[node] = 0;
        model.address[node] = unit_address(heap, model.unit[node]);
    } else {
        if (open_unit[kind][c] == 0 || next_slot[kind][c] == gci_size_classes[c].slots) {
            open_unit[kind][c] = gci_block_create(heap, c, kind, OWNER_NONE);
            next_slot[kind][c] = 0;
        }
        uint32_t unit = open_unit[kind][c];
        uint32_t slot = next_slot[kind][c]++;
        block_at(heap, unit)->state = BLOCK_CURRENT; /* the sweep leaves it where it is */
        block_at(heap, unit)->free[slot / 64] &= ~(UINT64_C(1) << slot % 64);
        model.unit[node] = unit;
        model.slot[node] = slot;
        model.address[node] = unit_address(heap, unit) + (uintptr_t)slot * gci_size_classes[c].bytes;
    }
    model.is_atomic[node] = kind == KIND_ATOMIC;
}

static void make_graph(struct heap *heap, uint64_t *random)
{
    for (int i = 0; i < NODES; i++)
        make_object(heap, random, i);
    for (int i = 0; i < NODES; i++) {
        uintptr_t *fields = (uintptr_t *)model.address[i];
        for (int k = 0; k < FIELDS; k++) {
            uint64_t r = random_next(random);
            model.edge[i][k] = r % 3 == 0 ? (int)(r >> 8) % NODES : -1;
            fields[k] = model.edge[i][k] < 0 ? r : model.address[model.edge[i][k]] + (r >> 40) % 16;
        }
    }
}

static void reach(int root)
{
    int pending = 0;
    if (!model.is_reachable[root])
        work_list[pending++] = root;
    model.is_reachable[root] = true;
    while (pending > 0) {
        int node = work_list[--pending];
        for (int k = 0; k < FIELDS && !model.is_atomic[node]; k++) {
            int next = model.edge[node][k];
            if (next < 0 || model.is_reachable[next])
                continue;
            model.is_reachable[next] = true;
            work_list[pending++] = next;
        }
    }
}

/* Every set of instructions that the processor has, with 0, 1, 3 and 7 helpers. */
struct way {
    enum simd simd;
    uint32_t helpers;
};

static bool way_of_round(int round, struct way *way)
{
    static const uint32_t helpers[] = {0, 1, 3, 7};
    *way = (struct way){(enum simd)(round % SIMD_COUNT), helpers[round / SIMD_COUNT % 4]};
    return gci_cpu_has(way->simd);
}

static void begin(struct marking *marking, struct heap *heap, struct way way)
{
    gci_sweep_prepare(heap, no_unit, NULL);
    gci_mark_begin(marking, heap, way.simd, NULL);
    gci_mark_call_helpers(marking, way.helpers);
}

START_TEST(marks_are_reachability)
{
    struct heap heap;
    struct marking marking;
    struct way way;
    uint64_t random = random_seed();
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    make_graph(&heap, &random);
    for (int round = 0; round < 120; round++) {
        if (!way_of_round(round, &way))
            continue;
        memset(model.is_reachable, 0, sizeof model.is_reachable);
        begin(&marking, &heap, way);
        for (int i = 0; i < round % 20; i++) {
            int root = (int)(random_next(&random) % NODES);
            uintptr_t word = model.address[root] + 8; /* inside: the slot before is not meant */
            gci_mark_root_words(&marking, &word, 1);
            reach(root);
        }
        gci_mark_end(&marking);
        for (int i = 0; i < NODES; i++)
            ck_assert_int_eq(gci_mark_is_set(&heap, model.unit[i], model.slot[i]), model.is_reachable[i]);
    }
    struct census census = gci_sweep_run(&heap, true);
    for (int i = 0; i < NODES; i++)
        census.live_objects -= model.is_reachable[i];
    ck_assert_uint_eq(census.live_objects, 0);
    gci_heap_fini(&heap);
}
END_TEST

/* ---- All ways find the same --------------------------------------------------------------------------------------- */

#define MIXED_BLOCKS 48

/* Words at the edges of every comparison, and words that are nearly pointers. */
static uintptr_t tricky_word(const struct heap *heap, uint64_t *random)
{
    uint64_t r = random_next(random);
    uintptr_t limit = word_load(&heap->limit_bytes);
    uintptr_t inside = heap->base + (r >> 8) % limit;
    switch (r % 16) {
    case 0:
        return heap->base - 1;
    case 1:
        return heap->base;
    case 2:
        return heap->base + limit - 1;
    case 3:
        return heap->base + limit;
    case 4:
        return inside | r << 48; /* a tag in the upper bits */
    case 5:
        return inside ^ UINT64_C(1) << 47;
    case 6:
        return ~inside;
    case 7:
        return UINTPTR_MAX - r % 3;
    case 8:
        return (UINT64_C(1) << 63) + r % 3 - 1;
    case 9:
        return r;
    case 10:
        return 0;
    default:
        return heap->base + (r >> 8) % ((MIXED_BLOCKS + 8) * BLOCK_BYTES); /* most of the blocks are there */
    }
}

static void fill_with_tricky_words(struct heap *heap, uint64_t *random)
{
    bool is_clean;
    for (unsigned i = 0; i < MIXED_BLOCKS; i++) {
        unsigned c = (unsigned)(random_next(random) % CLASS_COUNT);
        uint32_t unit = gci_block_create(heap, c, i % 7 == 0 ? KIND_ATOMIC : KIND_SCANNED, OWNER_NONE);
        for (unsigned k = 0; k < gci_size_classes[c].words; k++)
            block_at(heap, unit)->free[k] &= random_next(random) & random_next(random);
    }
    uint32_t large = gci_large_create(heap, KIND_SCANNED, 5 * BLOCK_BYTES - 4096, 0, &is_clean);
    uint32_t last = large + 5;
    for (uint32_t unit = 1; unit < last; unit++)
        for (size_t at = 0; at + 8 <= BLOCK_BYTES - (unit == last - 1 ? 4096 : 0); at += 8)
            *(uintptr_t *)(unit_address(heap, unit) + at) = tricky_word(heap, random);
}

static void mark_from(struct heap *heap, struct way way, const uintptr_t *roots, size_t count)
{
    struct marking marking;
    begin(&marking, heap, way);
    gci_mark_root_words(&marking, roots, count);
    gci_mark_end(&marking);
}

#define TRICKY_ROOTS 37

START_TEST(all_ways_mark_the_same)
{
    struct way way;
    uintptr_t roots[TRICKY_ROOTS];
    uint64_t random = random_seed();
    for (int round = 0; round < 96; round++) {
        struct heap heap;
        if (!way_of_round(round, &way))
            continue;
        ck_assert_int_eq(gci_heap_init(&heap), 0);
        fill_with_tricky_words(&heap, &random);
        for (size_t i = 0; i < TRICKY_ROOTS; i++)
            roots[i] = tricky_word(&heap, &random);
        size_t count = random_next(&random) % (TRICKY_ROOTS + 1);
        mark_from(&heap, way, roots, count);
        ck_assert(gci_verify_begin(&heap));
        gci_sweep_prepare(&heap, no_unit, NULL);
        gci_verify_words(&heap, roots, count);
        ck_assert_uint_eq(gci_verify_end(&heap), 0);
        gci_heap_fini(&heap);
    }
}
END_TEST

struct assistant {
    struct marking *marking;
    struct marker marker;
};

static void *assist(void *data)
{
    struct assistant *assistant = data;
    gci_mark_help(assistant->marking, &assistant->marker);
    return NULL;
}

#define ASSISTANTS 3

/* On threads that sanitizers know. */
START_TEST(markers_do_not_race)
{
    struct heap heap;
    struct marking marking;
    uint64_t random = random_seed();
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    make_graph(&heap, &random);
    for (int round = 0; round < 200; round++) {
        static struct assistant assistants[ASSISTANTS];
        pthread_t threads[ASSISTANTS];
        memset(model.is_reachable, 0, sizeof model.is_reachable);
        begin(&marking, &heap, (struct way){SIMD_SCALAR, 0});
        marking.queue.is_shared = true;
        for (int i = 0; i < ASSISTANTS; i++) {
            assistants[i].marking = &marking;
            pthread_create(&threads[i], NULL, assist, &assistants[i]);
        }
        for (int i = 0; i < 10; i++) {
            int root = (int)(random_next(&random) % NODES);
            uintptr_t word = model.address[root] + 8;
            gci_mark_root_words(&marking, &word, 1);
            reach(root);
        }
        gci_mark_end(&marking);
        for (int i = 0; i < ASSISTANTS; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < NODES; i++)
            ck_assert_int_eq(gci_mark_is_set(&heap, model.unit[i], model.slot[i]), model.is_reachable[i]);
    }
    gci_heap_fini(&heap);
}
END_TEST

/* The comparison itself sees one bit too many and one too few. */
START_TEST(a_difference_is_found)
{
    struct heap heap;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t unit = gci_block_create(&heap, 3, KIND_SCANNED, OWNER_NONE);
    block_at(&heap, unit)->free[1] = 0;
    uintptr_t root = unit_address(&heap, unit) + 70 * 64 + 8;
    for (unsigned wrong = 68; wrong < 72; wrong++) {
        mark_from(&heap, (struct way){SIMD_SCALAR, 0}, &root, 1);
        heap.meta.mark[unit][1] ^= UINT64_C(1) << (wrong - 64);
        ck_assert(gci_verify_begin(&heap));
        gci_sweep_prepare(&heap, no_unit, NULL);
        gci_verify_words(&heap, &root, 1);
        ck_assert_uint_eq(gci_verify_end(&heap), unit_address(&heap, unit) + wrong * 64);
    }
    gci_heap_fini(&heap);
}
END_TEST

START_TEST(a_root_at_a_boundary_keeps_both)
{
    struct heap heap;
    struct marking marking;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t unit = gci_block_create(&heap, 3, KIND_SCANNED, OWNER_NONE);
    block_at(&heap, unit)->free[0] = 0;
    gci_sweep_prepare(&heap, no_unit, NULL);
    gci_mark_begin(&marking, &heap, SIMD_SCALAR, NULL);
    uintptr_t word = unit_address(&heap, unit) + 2 * 64;
    gci_mark_root_words(&marking, &word, 1);
    gci_mark_end(&marking);
    ck_assert_uint_eq(heap.meta.mark[unit][0], 6);
    gci_heap_fini(&heap);
}
END_TEST

START_TEST(free_slots_are_never_scanned)
{
    struct heap heap;
    struct marking marking;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t unit = gci_block_create(&heap, 3, KIND_SCANNED, OWNER_NONE);
    block_at(&heap, unit)->free[0] &= ~UINT64_C(3); /* slots 0 and 1 are in use; 2 is free and points at 1 */
    uintptr_t start = unit_address(&heap, unit);
    *(uintptr_t *)(start + 2 * 64) = start + 64;
    gci_sweep_prepare(&heap, no_unit, NULL);
    gci_mark_begin(&marking, &heap, SIMD_SCALAR, NULL);
    uintptr_t word = start + 2 * 64 + 8;
    gci_mark_root_words(&marking, &word, 1);
    gci_mark_end(&marking);
    ck_assert(!gci_mark_is_set(&heap, unit, 1));
    ck_assert_uint_eq(marking.own.scanned_bytes, 0);
    gci_heap_fini(&heap);
}
END_TEST

#define LIST_BLOCKS 500

static void *mark_list(void *data)
{
    struct heap *heap = data;
    struct marking marking;
    uint32_t per_block = gci_size_classes[1].slots;
    uintptr_t previous = 0;
    for (int i = 0; i < LIST_BLOCKS; i++) {
        uint32_t unit = gci_block_create(heap, 1, KIND_SCANNED, OWNER_NONE);
        for (uint32_t slot = 0; slot < per_block; slot++) {
            uintptr_t node = unit_address(heap, unit) + slot * 32;
            *(uintptr_t *)node = previous;
            previous = node;
            block_at(heap, unit)->free[slot / 64] &= ~(UINT64_C(1) << slot % 64);
        }
        block_at(heap, unit)->state = BLOCK_CURRENT;
    }
    gci_sweep_prepare(heap, no_unit, NULL);
    gci_mark_begin(&marking, heap, SIMD_SCALAR, NULL);
    gci_mark_root_words(&marking, &previous, 1);
    gci_mark_end(&marking);
    struct census census = gci_sweep_run(heap, false);
    return (void *)(uintptr_t)(census.live_objects - (uint64_t)LIST_BLOCKS * per_block);
}

START_TEST(a_million_links_need_no_stack)
{
    struct heap heap;
    pthread_t thread;
    pthread_attr_t attributes;
    void *missing;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    ck_assert_int_eq(pthread_create(&thread, &attributes, mark_list, &heap), 0);
    pthread_join(thread, &missing);
    ck_assert_ptr_null(missing);
    gci_heap_fini(&heap);
}
END_TEST

/* With what the system knows of pages, by one thread. */
static void mark_with_pages(struct heap *heap, struct marking *marking, uintptr_t start)
{
    struct page_reader pages;
    gci_sweep_prepare(heap, no_unit, NULL);
    ck_assert(gci_pages_open(&pages));
    gci_mark_begin(marking, heap, SIMD_SCALAR, &pages);
    gci_mark_root_words(marking, &start, 1);
    gci_mark_end(marking);
    gci_pages_close(&pages);
}

START_TEST(unwritten_parts_are_skipped)
{
    struct heap heap;
    struct marking marking;
    bool is_clean;
    size_t bytes = (size_t)1 << 30;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t big = gci_large_create(&heap, KIND_SCANNED, bytes, 0, &is_clean);
    uint32_t unit = gci_block_create(&heap, 3, KIND_SCANNED, OWNER_NONE);
    block_at(&heap, unit)->free[0] = 0;
    uintptr_t start = unit_address(&heap, big);
    for (unsigned i = 0; i < 64; i++)
        *(uintptr_t *)(start + bytes / 64 * i + 8 * i) = unit_address(&heap, unit) + i * 64;
    mark_with_pages(&heap, &marking, start);
    ck_assert_uint_eq(heap.meta.mark[unit][0], UINT64_MAX);
    ck_assert_uint_lt(marking.own.scanned_bytes, bytes / 8);
    gci_heap_fini(&heap);
}
END_TEST

/* A second look at the roots, which checks the marks of the first, may come across it. */
START_TEST(nothing_in_a_marking_points_into_an_object)
{
    struct heap heap;
    struct marking marking;
    uintptr_t words[sizeof marking / sizeof(uintptr_t)];
    bool is_clean;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t big = gci_large_create(&heap, KIND_SCANNED, (size_t)1 << 20, 0, &is_clean);
    uintptr_t start = unit_address(&heap, big);
    *(volatile char *)start = 1;
    mark_with_pages(&heap, &marking, start);
    memcpy(words, &marking, sizeof words);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        ck_assert_uint_eq(gci_resolve(&heap, word_address(words[i])).unit, 0);
    gci_heap_fini(&heap);
}
END_TEST

MAKE_SUITE(mark, all_ways_mark_the_same, markers_do_not_race, a_difference_is_found, marks_are_reachability,
           a_root_at_a_boundary_keeps_both, free_slots_are_never_scanned, a_million_links_need_no_stack,
           unwritten_parts_are_skipped, nothing_in_a_marking_points_into_an_object)
