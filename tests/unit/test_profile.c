/* SPDX-License-Identifier: MIT */
/* The profiler's parts: the arithmetic of sampling, records of chosen objects, tables of stacks. */
#include <math.h>

#include "alloc/alloc.h"
#include "alloc/budget.h"
#include "heap/cache.h"
#include "heap/large.h"
#include "heap/resolve.h"
#include "heap/special/sample.h"
#include "heap/sweep.h"
#include "profile/draw.h"
#include "profile/sampler.h"
#include "profile/sites.h"
#include "profile/writer.h"
#include "support.h"
#include "world/critical.h"

/* ---- Arithmetic --------------------------------------------------------------------------------------------------- */

#define BINS 32
#define DRAWS 200000
#define CHI_SQUARE_MAX 80.0 /* 31 degrees of freedom: passed once in 300,000 runs */

/* In bins that are equally likely, up to the rounding to whole bytes. */
START_TEST(distances_are_exponential)
{
    static size_t hits[BINS];
    const uint64_t rate = UINT64_C(512) << 10;
    uint64_t state = random_seed();
    double chi_square = 0;
    double sum = 0;
    for (size_t i = 0; i < DRAWS; i++) {
        uint64_t distance = gci_draw_distance(&state, rate);
        ck_assert_uint_ge(distance, 1);
        sum += (double)distance;
        size_t bin = (size_t)(BINS * exp(-((double)distance - 0.5) / (double)rate));
        hits[bin < BINS ? bin : BINS - 1]++;
    }
    for (size_t i = 0; i < BINS; i++) {
        double expected = (double)DRAWS / BINS;
        chi_square += ((double)hits[i] - expected) * ((double)hits[i] - expected) / expected;
    }
    ck_assert_double_lt(chi_square, CHI_SQUARE_MAX);
    ck_assert_double_lt(fabs(sum / DRAWS / (double)rate - 1), 5 / sqrt(DRAWS));
}
END_TEST

START_TEST(distances_at_rate_one_are_short)
{
    uint64_t state = random_seed();
    for (size_t i = 0; i < 1000; i++)
        ck_assert_uint_lt(gci_draw_distance(&state, 1), 64);
}
END_TEST

START_TEST(weights_are_the_reciprocals_of_chances)
{
    static const uint64_t rates[] = {1, 4096, UINT64_C(512) << 10, UINT64_C(1) << 30};
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++)
        for (uint64_t bytes = 1; bytes < UINT64_C(1) << 40; bytes += bytes / 3 + 1) {
            double exact = -1 / expm1(-(double)bytes / (double)rates[r]);
            ck_assert_double_lt(fabs(gci_draw_weight(bytes, rates[r]) / exact - 1), 1e-9);
        }
}
END_TEST

/* Objects of one size, asked for until `total` bytes: what the samples say of their number. */
static double estimate(uint64_t *state, uint64_t bytes, uint64_t total, uint64_t rate, uint64_t later_rate)
{
    double objects = 0;
    uint64_t used_rate = rate;
    uint64_t distance = gci_draw_distance(state, rate);
    for (uint64_t asked = 0; asked < total; asked += bytes) {
        if (asked >= total / 2 && used_rate != later_rate) {
            used_rate = later_rate;
            distance = gci_draw_distance(state, used_rate);
        }
        if (distance > bytes) {
            distance -= bytes;
            continue;
        }
        objects += gci_draw_weight(bytes, used_rate);
        distance = gci_draw_distance(state, used_rate);
    }
    return objects;
}

/* Each estimate's variance is that of its samples: sum of (1 - p) / p^2; six deviations are passed once in 10^9. */
START_TEST(estimates_are_unbiased)
{
    static const uint64_t sizes[] = {16, 100, 4096, 65536, UINT64_C(512) << 10, UINT64_C(4) << 20};
    const uint64_t rate = UINT64_C(512) << 10;
    uint64_t state = random_seed();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int changes = 0; changes < 2; changes++) {
            uint64_t bytes = sizes[i];
            uint64_t total = 400 * (bytes > rate ? bytes : rate) / bytes * bytes;
            uint64_t later_rate = changes ? rate / 8 : rate;
            double count = (double)(total / bytes);
            double weight = (gci_draw_weight(bytes, rate) + gci_draw_weight(bytes, later_rate)) / 2;
            double deviation = sqrt(count * (weight - 1)) + 1;
            ck_assert_double_lt(fabs(estimate(&state, bytes, total, rate, later_rate) - count), 6 * deviation);
        }
}
END_TEST

MAKE_SUITE(draw, distances_are_exponential, distances_at_rate_one_are_short, weights_are_the_reciprocals_of_chances,
           estimates_are_unbiased)

/* ---- Records ------------------------------------------------------------------------------------------------------ */

static struct heap heap;
static size_t born_count;
static size_t gone_count[2];
static size_t last_bytes;
static uintptr_t last_address;

static void note_born(const struct sample *sample, size_t bytes, uintptr_t address)
{
    ck_assert_uint_eq(sample->origin % 1000, 7);
    born_count++;
    last_bytes = bytes;
    last_address = address;
}

static void note_gone(const struct sample *sample, size_t bytes, uintptr_t address, enum sample_end end)
{
    ck_assert_uint_eq(sample->origin % 1000, 7);
    ck_assert_double_eq(sample->weight, 2.5);
    gone_count[end]++;
    last_bytes = bytes;
    last_address = address;
}

static const struct sample_hooks hooks = {.born = note_born, .gone = note_gone};

static void make_heap(void)
{
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    ck_assert_ptr_nonnull(gci_cache_create(&heap));
    ck_assert_int_eq(gci_sample_reserve(&heap), 0);
    ck_assert_int_eq(gci_sample_reserve(&heap), 0);
    gci_sample_hooks = &hooks;
}

static uint32_t make_block(size_t bytes)
{
    uint32_t unit = gci_block_create(&heap, (unsigned)size_class_of(bytes), KIND_SCANNED, 1 | HAS_SAMPLES);
    ck_assert_uint_ne(unit, 0);
    ck_assert(block_at(&heap, unit)->is_sampled && block_owner(block_at(&heap, unit)) == 1);
    return unit;
}

START_TEST(a_record_goes_in_and_out_once)
{
    struct sample sample = {.origin = 1007, .weight = 2.5f};
    make_heap();
    uint32_t unit = make_block(48);
    ck_assert_ptr_null(gci_sample_find(&heap, unit, 3));
    gci_sample_put(&heap, unit, 3, &sample, 41);
    const struct sample *found = gci_sample_find(&heap, unit, 3);
    ck_assert_ptr_nonnull(found);
    ck_assert_uint_eq(gci_sample_bytes(&heap, unit, found), 41);
    ck_assert_uint_eq(last_address, unit_address(&heap, unit) + 3 * 48);
    gci_sample_take(&heap, unit, 3, SAMPLE_FREED, false);
    gci_sample_take(&heap, unit, 3, SAMPLE_FREED, false);
    ck_assert(born_count == 1 && gone_count[SAMPLE_FREED] == 1 && last_bytes == 41);
    ck_assert_ptr_null(gci_sample_find(&heap, unit, 3));
    gci_heap_fini(&heap);
}
END_TEST

START_TEST(large_objects_have_records_of_any_size)
{
    struct sample sample = {.origin = 2007, .weight = 2.5f};
    bool is_clean;
    make_heap();
    uint32_t unit = gci_large_create(&heap, KIND_ATOMIC, (size_t)5 << 30, 0, &is_clean);
    ck_assert_uint_ne(unit, 0);
    ck_assert_ptr_null(gci_sample_find(&heap, unit, 0));
    ck_assert(gci_sample_prepare(&heap, unit));
    block_at(&heap, unit)->is_sampled = true;
    gci_sample_put(&heap, unit, 0, &sample, ((size_t)5 << 30) - 3);
    ck_assert_uint_eq(gci_sample_bytes(&heap, unit, gci_sample_find(&heap, unit, 0)), ((size_t)5 << 30) - 3);
    gci_sample_take(&heap, unit, 0, SAMPLE_RECLAIMED, true);
    ck_assert(gone_count[SAMPLE_RECLAIMED] == 1 && last_bytes == ((size_t)5 << 30) - 3);
    ck_assert_uint_eq(sample_at(&heap, unit, 1)->origin, 0);
    gci_heap_fini(&heap);
}
END_TEST

static void count_visit(const struct sample *sample, uint32_t unit, uint32_t slot, void *data)
{
    ck_assert_uint_eq(sample->origin, 1000 * (uint64_t)slot + 7 + (uint64_t)unit * 1000000);
    ++*(size_t *)data;
}

START_TEST(every_record_is_visited_and_a_word_is_taken_at_once)
{
    size_t visited = 0;
    make_heap();
    for (int i = 0; i < 300; i++) { /* past one step of memory */
        uint32_t unit = make_block(1024);
        for (uint32_t slot = 0; slot < 64; slot += 7) {
            struct sample sample = {.origin = 1000 * (uint64_t)slot + 7 + (uint64_t)unit * 1000000, .weight = 2.5f};
            gci_sample_put(&heap, unit, slot, &sample, 1000);
        }
    }
    gci_sample_each(&heap, count_visit, &visited);
    ck_assert_uint_eq(visited, 300 * 10);
    for (uint32_t unit = 1; unit < heap.frontier; unit++)
        if (block_at(&heap, unit)->is_sampled)
            gci_sample_take_word(&heap, unit, 0, ~UINT64_C(0), SAMPLE_RECLAIMED);
    ck_assert_uint_eq(gone_count[SAMPLE_RECLAIMED], 300 * 10);
    gci_heap_fini(&heap);
}
END_TEST

/* A block of chosen objects is never one for others: its list without owners is its own, and its retired cache is found. */
START_TEST(blocks_of_chosen_objects_stay_such)
{
    make_heap();
    struct cache *cache = heap.caches[1];
    struct cache *sampled = gci_cache_sampled(&heap, cache);
    ck_assert(sampled != NULL && sampled != cache && gci_cache_sampled(&heap, cache) == sampled);
    uint32_t unit = gci_block_create(&heap, 0, KIND_SCANNED, sampled->id | sampled->flags);
    block_at(&heap, unit)->free[0] &= ~UINT64_C(1);
    sampled->owned[KIND_SCANNED][0].current = unit;
    gci_cache_retire(&heap, cache);
    ck_assert_uint_eq(heap.abandoned_sampled[KIND_SCANNED][0].head, unit);
    ck_assert_uint_eq(heap.abandoned[KIND_SCANNED][0].head, 0);
    ck_assert(!cache->is_in_use && !sampled->is_in_use && cache->sampled == NULL);
    gci_heap_fini(&heap);
}
END_TEST

MAKE_SUITE(samples, a_record_goes_in_and_out_once, large_objects_have_records_of_any_size,
           every_record_is_visited_and_a_word_is_taken_at_once, blocks_of_chosen_objects_stay_such)

/* ---- Stacks ------------------------------------------------------------------------------------------------------- */

#define ROWS 128u

static struct site_row *find_numbered(uintptr_t number, uint32_t thread)
{
    uintptr_t addresses[SITE_FRAMES_MAX];
    for (size_t i = 0; i < SITE_FRAMES_MAX; i++)
        addresses[i] = 0x400000 + number * 16 + i;
    return gci_sites_find(addresses, 1 + number % SITE_FRAMES_MAX, NULL, 1, thread);
}

START_TEST(stacks_are_kept_once)
{
    ck_assert_int_eq(gci_heap_init(&gci_heap), 0);
    ck_assert_int_eq(gci_sites_init(&gci_heap, ROWS), 0);
    struct site_row *row = find_numbered(5, 1);
    ck_assert(row != NULL && row == find_numbered(5, 1));
    struct site_row *other = find_numbered(5, 2);
    ck_assert(other != NULL && other != row && gci_sites_rest(other)->stack == gci_sites_rest(row)->stack &&
              site_thread(other) == 2);
    ck_assert_uint_eq(gci_sites_stack(gci_sites_rest(row)->stack)->depth, 6);
    ck_assert_uint_eq(gci_sites_stack(gci_sites_rest(row)->stack)->addresses[2], 0x400000 + 5 * 16 + 2);
    struct site_row *unknown = gci_sites_find(NULL, 0, NULL, 1, 1);
    ck_assert(unknown != NULL && gci_sites_stack(gci_sites_rest(unknown)->stack)->depth == 0);
    ck_assert_uint_eq(gci_sites_row_count(), 3);
    const struct site_row *late = gci_sites_find(NULL, 0, NULL, 2, 1); /* by who is still in an earlier session */
    ck_assert(late != NULL && late != unknown && gci_sites_rest(late)->stack == gci_sites_rest(unknown)->stack);
    ck_assert_uint_eq(gci_sites_stack_count(), 2);
}
END_TEST

/* What does not fit is refused, what is there is still found; emptied, there is room again. */
START_TEST(full_tables_refuse)
{
    ck_assert_int_eq(gci_heap_init(&gci_heap), 0);
    ck_assert_int_eq(gci_sites_init(&gci_heap, ROWS), 0);
    for (uintptr_t i = 0; i < ROWS; i++)
        ck_assert_int_eq(find_numbered(i, 1) != NULL, i < ROWS / 2);
    for (uintptr_t i = 0; i < ROWS; i++)
        ck_assert_int_eq(find_numbered(i, 1) != NULL, i < ROWS / 2);
    for (uint32_t thread = 2; thread < ROWS; thread++)
        ck_assert_int_eq(find_numbered(1, thread) != NULL, thread < 2 + ROWS / 2);
    ck_assert_uint_eq(gci_sites_row_count(), ROWS);
    ck_assert_int_eq(gci_sites_init(&gci_heap, ROWS), 0);
    ck_assert_uint_eq(gci_sites_row_count(), 0);
    ck_assert_ptr_nonnull(find_numbered(ROWS - 1, 1));
}
END_TEST

MAKE_SUITE(sites, stacks_are_kept_once, full_tables_refuse)
