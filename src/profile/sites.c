/* SPDX-License-Identifier: MIT */
/* Implementation of profile/sites.h: arrays, and two hash tables with open addressing. */
#include "profile/sites.h"

#include <errno.h>

#include "base/bits.h"
#include "platform/sync.h"
#include "profile/draw.h"
#include "world/critical.h"

/* With all there are, rows take 16 MiB, stacks 2 MiB, their addresses 20 MiB, the tables 1 MiB. */
#define ROWS_A_STACK 2
#define ADDRESSES_A_STACK 80
#define SLOTS_A_ROW 2
#define ROWS_LIMIT_MIN 64u

/* Written under the lock; what the counts promise is complete. */
static struct lock lock;
struct site_row *gci_sites_rows;
struct site_rest *gci_sites_rests;
static struct site_stack *stacks;
static uintptr_t *addresses_of_all;
static volatile u32_shared *row_slots;   /* index + 1 of a row; 0: empty */
static volatile u32_shared *stack_slots; /* number of a stack */
static uint32_t rows_limit;
static uint32_t addresses_used;
static volatile u32_shared row_count;
static volatile u32_shared stack_count;

static uint32_t stacks_limit(void)
{
    return rows_limit / ROWS_A_STACK;
}

static uint32_t slots_of(uint32_t entries)
{
    return entries * SLOTS_A_ROW;
}

#define SEED UINT64_C(0xd1b54a32d192ed03) /* 2^64 divided by the next generalised golden ratio */

/* Numbers without a pattern, one for each place in a stack. */
static uint64_t place_keys[SITE_FRAMES_MAX + 1];

static void make_keys(void)
{
    uint64_t state = GOLDEN_ODD;
    for (unsigned i = 0; i <= SITE_FRAMES_MAX; i++)
        place_keys[i] = gci_draw_next(&state);
}

static bool take_tables(struct heap *heap, uint32_t limit)
{
    uint32_t stacks_wanted = limit / ROWS_A_STACK;
    struct site_row *rows = gci_heap_take_meta(heap, ((size_t)limit + 1) * sizeof *rows);
    gci_sites_rows = rows == NULL ? NULL : rows + 1; /* the one in front is what an origin of 0 leads to */
    gci_sites_rests = gci_heap_take_meta(heap, (size_t)limit * sizeof *gci_sites_rests);
    stacks = gci_heap_take_meta(heap, stacks_wanted * sizeof *stacks);
    addresses_of_all = gci_heap_take_meta(heap, (size_t)stacks_wanted * ADDRESSES_A_STACK * sizeof *addresses_of_all);
    row_slots = gci_heap_take_meta(heap, slots_of(limit) * sizeof *row_slots);
    stack_slots = gci_heap_take_meta(heap, slots_of(stacks_wanted) * sizeof *stack_slots);
    return gci_sites_rows != NULL && gci_sites_rests != NULL && stacks != NULL && addresses_of_all != NULL &&
           row_slots != NULL && stack_slots != NULL;
}

/* Who is in the middle of a sample may have the lock, and add another row of the last session later. */
static void empty_tables(void)
{
    gci_lock_acquire(&lock);
    for (uint32_t i = 0; i < u32_load(&row_count); i++)
        word_store(&gci_sites_rows[i].name, 0);
    for (uint32_t i = 0; i < slots_of(rows_limit); i++)
        u32_store(&row_slots[i], 0);
    for (uint32_t i = 0; i < slots_of(stacks_limit()); i++)
        u32_store(&stack_slots[i], 0);
    u32_store(&row_count, 0);
    u32_store(&stack_count, 0);
    addresses_used = 0;
    gci_lock_release(&lock);
}

int gci_sites_init(struct heap *heap, uint32_t limit)
{
    if (rows_limit != 0) {
        empty_tables();
        return 0;
    }
    make_keys();
    for (; limit >= ROWS_LIMIT_MIN; limit /= 2)
        if (take_tables(heap, limit)) {
            rows_limit = limit;
            return 0;
        }
    return ENOMEM;
}

/* A sum of products of pairs (NH; Black et al., UMAC, 1999): no step waits for the one before. */
static uint64_t hash_of(const uintptr_t *addresses, size_t depth)
{
    wide_word sum = depth;
    size_t i = 0;
    for (; i + 2 <= depth; i += 2)
        sum += (wide_word)(addresses[i] + place_keys[i]) * (addresses[i + 1] + place_keys[i + 1]);
    if (i < depth)
        sum += (wide_word)(addresses[i] + place_keys[i]) * place_keys[i + 1];
    return mixed_product((uint64_t)sum ^ SEED, (uint64_t)(sum >> 64) ^ GOLDEN_ODD);
}

/* Slots are twice as many as entries, so the search ends. */
static struct site_row *find_row(uint64_t key)
{
    uint32_t mask = slots_of(rows_limit) - 1;
    for (uint32_t slot = (uint32_t)key & mask;; slot = (slot + 1) & mask) {
        uint32_t found = u32_load_acquire(&row_slots[slot]);
        if (found == 0)
            return NULL;
        if (LIKELY(gci_sites_rests[found - 1].key == key))
            return &gci_sites_rows[found - 1];
    }
}

static void publish(volatile u32_shared *slots, uint32_t mask, uint64_t key, uint32_t value)
{
    uint32_t slot = (uint32_t)key & mask;
    while (u32_load(&slots[slot]) != 0)
        slot = (slot + 1) & mask;
    u32_store_release(&slots[slot], value);
}

static uint32_t find_stack(uint64_t hash)
{
    uint32_t mask = slots_of(stacks_limit()) - 1;
    for (uint32_t slot = (uint32_t)hash & mask;; slot = (slot + 1) & mask) {
        uint32_t found = u32_load(&stack_slots[slot]);
        if (found == 0 || stacks[found - 1].hash == hash)
            return found;
    }
}

static uint32_t add_stack(uint64_t hash, const uintptr_t *addresses, size_t depth, const struct site_place *place)
{
    uint32_t count = u32_load(&stack_count);
    if (count == stacks_limit() || addresses_used + depth > (size_t)stacks_limit() * ADDRESSES_A_STACK)
        return 0;
    uintptr_t *kept = addresses_of_all + addresses_used;
    if (depth > 0) /* without, there may be no addresses to copy from */
        __builtin_memcpy(kept, addresses, depth * sizeof *kept);
    addresses_used += (uint32_t)depth;
    stacks[count] = (struct site_stack){.hash = hash, .place = place, .addresses = kept, .depth = (uint32_t)depth};
    u32_store_release(&stack_count, count + 1);
    publish(stack_slots, slots_of(stacks_limit()) - 1, hash, count + 1);
    return count + 1;
}

static struct site_row *add_row(uint64_t key, uint32_t stack, uint32_t session, uint32_t thread)
{
    uint32_t count = u32_load(&row_count);
    if (stack == 0 || count == rows_limit)
        return NULL;
    struct site_row *row = gci_sites_row(count);
    gci_sites_rests[count] = (struct site_rest){.key = key, .stack = stack};
    *row = (struct site_row){.owner = thread != 0 ? SITE_OWNER(session, thread) : SITE_OWNER_SEVERAL,
                             .name = site_name(count, session)};
    u32_store_release(&row_count, count + 1);
    publish(row_slots, slots_of(rows_limit) - 1, key, count + 1);
    return row;
}

static NOINLINE struct site_row *find_or_add(uint64_t key, uint64_t hash, const uintptr_t *addresses, size_t depth,
                                             const struct site_place *place, uint32_t session, uint32_t thread)
{
    critical_enter();
    gci_lock_acquire(&lock);
    struct site_row *row = find_row(key);
    if (row == NULL) {
        uint32_t stack = find_stack(hash);
        if (stack == 0)
            stack = add_stack(hash, addresses, depth, place);
        row = add_row(key, stack, session, thread);
    }
    gci_lock_release(&lock);
    critical_leave();
    return row;
}

struct site_row *gci_sites_find(const uintptr_t *addresses, size_t depth, const struct site_place *place,
                                uint32_t session, uint32_t thread)
{
    uint64_t hash = hash_of(addresses, depth);
    uint64_t key = mixed_product(hash ^ SITE_OWNER(session, thread), SEED);
    struct site_row *row = find_row(key);
    return LIKELY(row != NULL) ? row : find_or_add(key, hash, addresses, depth, place, session, thread);
}

uint32_t gci_sites_row_count(void)
{
    return u32_load_acquire(&row_count);
}

uint32_t gci_sites_stack_count(void)
{
    return u32_load_acquire(&stack_count);
}

struct site_stack *gci_sites_stack(uint32_t number)
{
    return &stacks[number - 1];
}

void gci_sites_reset_lock(void)
{
    gci_lock_reset(&lock);
}
