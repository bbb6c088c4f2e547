/* SPDX-License-Identifier: MIT */
/* Implementation of collect/pacer.h. */
#include "collect/pacer.h"

#include "base/bits.h"

/* The constant of the square-root rule, in bytes: with growth as fast as marking, a live heap of this size gets a
 * headroom of its own size; larger ones relatively less. */
#define BALANCE_BYTES (UINT64_C(256) << 20)

/* The rule alone gives a heap of 4 GiB a quarter of what lives, and each byte of a growing heap is then marked four times as
 * often as in a small one. With half, the cost of a live byte stays within what the machine's memory itself gets slower. */
#define LEAST_HEADROOM_SHARE 2

#define POOR_YIELD_SHARE 20 /* freed less than 1/20 of what grew */
#define PATIENCE_MAX 16

/* However patient: of what lives and of the least headroom, so much may be added before the next collection. A program that
 * leaks after it has grown stays below three times what lives and twice that headroom. */
#define GROWTH_SHARE_MAX 2

#define LEAST_GROWTH_SHARE 4 /* of the way to the threshold: with less growth a collection is not worth its while */

/* However little room is left, a program goes on for so much of what lives, and so many bytes, between two collections. */
#define CROWDED_SHARE 16
#define CROWDED_BYTES_MIN (UINT64_C(1) << 20)

/* Growth in units that is allowed however many slots are free, as a share of the headroom: the free ones may be of other sizes
 * than the program wants now. Where the last cycle freed half of the headroom, the program lives on slots that cycles free, and
 * with a quarter each time a heap in which every block keeps something would grow to seven times what lives; with a
 * thirty-second it grows to five times, and with less it collects much more often. */
#define FRESH_SHARE 4
#define FRESH_SHARE_WHERE_SLOTS_SERVE 32
#define SERVING_YIELD_SHARE 2

static uint64_t square_root(uint64_t value)
{
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 31; bit != 0; bit >>= 1)
        if ((root | bit) * (root | bit) <= value)
            root |= bit;
    return root;
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t multiply_saturated(uint64_t a, uint64_t factor)
{
    return a > UINT64_MAX / factor ? UINT64_MAX : a * factor;
}

/* Rates in bytes per microsecond, so that products stay within 64 bits for heaps up to a terabyte. */
static uint64_t rate(uint64_t bytes, uint64_t ns)
{
    uint64_t us = ns / 1000 + 1;
    return bytes / us + 1;
}

uint64_t gci_pacer_headroom(const struct cycle_figures *figures)
{
    uint64_t live = figures->scanned_bytes;
    uint64_t growth = rate(figures->grown_bytes, figures->run_ns);
    uint64_t marking = rate(live, figures->mark_ns);
    uint64_t kib = live >> 10;
    uint64_t balanced = square_root(kib * (BALANCE_BYTES >> 10) / marking * growth) << 10;
    return clamp(balanced, live / LEAST_HEADROOM_SHARE, live);
}

static void set_threshold(struct pacer *pacer, uint64_t used_bytes, uint64_t threshold)
{
    pacer->used_after_bytes = used_bytes;
    word_store(&pacer->threshold_bytes, threshold);
    word_store(&pacer->least_bytes, used_bytes + (threshold - used_bytes) / LEAST_GROWTH_SHARE);
}

void gci_pacer_init(struct pacer *pacer, uint64_t min_headroom_bytes)
{
    *pacer = (struct pacer){.patience = 1};
    set_threshold(pacer, 0, min_headroom_bytes);
}

/* A cycle that comes before the heap has grown tells nothing about what collecting yields. */
static void learn_patience(struct pacer *pacer, const struct cycle_figures *figures)
{
    if (pacer->used_after_bytes + figures->grown_bytes < word_load(&pacer->least_bytes))
        return;
    if (figures->freed_bytes >= figures->grown_bytes / POOR_YIELD_SHARE)
        pacer->patience = 1;
    else if (pacer->patience < PATIENCE_MAX)
        pacer->patience *= 2;
}

static uint64_t fresh_growth(const struct cycle_figures *figures, uint64_t headroom)
{
    bool slots_serve = figures->freed_bytes >= headroom / SERVING_YIELD_SHARE;
    return headroom / (slots_serve ? FRESH_SHARE_WHERE_SLOTS_SERVE : FRESH_SHARE);
}

void gci_pacer_finish_cycle(struct pacer *pacer, const struct cycle_figures *figures, uint64_t min_headroom_bytes)
{
    learn_patience(pacer, figures);
    uint64_t headroom = gci_pacer_headroom(figures);
    if (headroom < min_headroom_bytes)
        headroom = min_headroom_bytes;
    headroom = multiply_saturated(headroom, pacer->patience);
    headroom = clamp(headroom, min_headroom_bytes,
                     multiply_saturated(add_saturated(figures->live_bytes, min_headroom_bytes), GROWTH_SHARE_MAX));
    uint64_t wanted = add_saturated(figures->live_bytes, headroom);
    uint64_t least = add_saturated(figures->used_bytes, fresh_growth(figures, headroom));
    uint64_t growth = (wanted > least ? wanted : least) - figures->used_bytes;
    uint64_t crowded = figures->live_bytes / CROWDED_SHARE + CROWDED_BYTES_MIN;
    uint64_t room = figures->room_bytes > crowded ? figures->room_bytes : crowded;
    set_threshold(pacer, figures->used_bytes, add_saturated(figures->used_bytes, growth < room ? growth : room));
}

void gci_pacer_give_up(struct pacer *pacer, uint64_t used_bytes, uint64_t min_headroom_bytes)
{
    if (pacer->patience < PATIENCE_MAX)
        pacer->patience *= 2;
    uint64_t headroom = used_bytes / 4 < min_headroom_bytes ? min_headroom_bytes : used_bytes / 4;
    headroom = multiply_saturated(headroom, pacer->patience);
    set_threshold(pacer, used_bytes, add_saturated(used_bytes, headroom));
}
