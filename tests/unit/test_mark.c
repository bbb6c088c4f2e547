/* SPDX-License-Identifier: MIT */
/* The marker on private heaps, against plain reachability. */
#include <pthread.h>
#include <string.h>

#include "heap/block.h"
#include "heap/sweep.h"
#include "mark/mark.h"
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

START_TEST(marks_are_reachability)
{
    struct heap heap;
    struct marker marker;
    uint64_t random = random_seed();
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    make_graph(&heap, &random);
    for (int round = 0; round < 20; round++) {
        memset(model.is_reachable, 0, sizeof model.is_reachable);
        gci_sweep_prepare(&heap, no_unit, NULL);
        gci_mark_init(&marker, &heap);
        for (int i = 0; i < round; i++) {
            int root = (int)(random_next(&random) % NODES);
            uintptr_t word = model.address[root] + 8; /* inside: the slot before is not meant */
            gci_mark_root_words(&marker, &word, 1);
            reach(root);
        }
        gci_mark_drain(&marker);
        gci_mark_fini(&marker);
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

START_TEST(a_root_at_a_boundary_keeps_both)
{
    struct heap heap;
    struct marker marker;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t unit = gci_block_create(&heap, 3, KIND_SCANNED, OWNER_NONE);
    block_at(&heap, unit)->free[0] = 0;
    gci_sweep_prepare(&heap, no_unit, NULL);
    gci_mark_init(&marker, &heap);
    uintptr_t word = unit_address(&heap, unit) + 2 * 64;
    gci_mark_root_words(&marker, &word, 1);
    gci_mark_drain(&marker);
    ck_assert_uint_eq(heap.meta.mark[unit][0], 6);
    gci_heap_fini(&heap);
}
END_TEST

START_TEST(free_slots_are_never_scanned)
{
    struct heap heap;
    struct marker marker;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t unit = gci_block_create(&heap, 3, KIND_SCANNED, OWNER_NONE);
    block_at(&heap, unit)->free[0] &= ~UINT64_C(3); /* slots 0 and 1 are in use; 2 is free and points at 1 */
    uintptr_t start = unit_address(&heap, unit);
    *(uintptr_t *)(start + 2 * 64) = start + 64;
    gci_sweep_prepare(&heap, no_unit, NULL);
    gci_mark_init(&marker, &heap);
    uintptr_t word = start + 2 * 64 + 8;
    gci_mark_root_words(&marker, &word, 1);
    gci_mark_drain(&marker);
    ck_assert(!gci_mark_is_set(&heap, unit, 1));
    ck_assert_uint_eq(marker.scanned_bytes, 0);
    gci_heap_fini(&heap);
}
END_TEST

#define LIST_BLOCKS 500

static void *mark_list(void *data)
{
    struct heap *heap = data;
    struct marker marker;
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
    gci_mark_init(&marker, heap);
    gci_mark_root_words(&marker, &previous, 1);
    gci_mark_drain(&marker);
    gci_mark_fini(&marker);
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

START_TEST(unwritten_parts_are_skipped)
{
    struct heap heap;
    struct marker marker;
    bool is_clean;
    size_t bytes = (size_t)1 << 30;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    uint32_t big = gci_large_create(&heap, KIND_SCANNED, bytes, 0, &is_clean);
    uint32_t unit = gci_block_create(&heap, 3, KIND_SCANNED, OWNER_NONE);
    block_at(&heap, unit)->free[0] = 0;
    uintptr_t start = unit_address(&heap, big);
    for (unsigned i = 0; i < 64; i++)
        *(uintptr_t *)(start + bytes / 64 * i + 8 * i) = unit_address(&heap, unit) + i * 64;
    gci_sweep_prepare(&heap, no_unit, NULL);
    gci_mark_init(&marker, &heap);
    gci_mark_root_words(&marker, &start, 1);
    gci_mark_drain(&marker);
    gci_mark_fini(&marker);
    ck_assert_uint_eq(heap.meta.mark[unit][0], UINT64_MAX);
    ck_assert_uint_lt(marker.scanned_bytes, bytes / 8);
    gci_heap_fini(&heap);
}
END_TEST

MAKE_SUITE(mark, marks_are_reachability, a_root_at_a_boundary_keeps_both, free_slots_are_never_scanned,
           a_million_links_need_no_stack, unwritten_parts_are_skipped)
