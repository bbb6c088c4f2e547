/* SPDX-License-Identifier: MIT */
/* What a collection takes for a root though no word of the program's holds it, what it does not although one of ours does, and who
 * destroys what it has found. */
#include <gcalloc.h>
#include <gcalloc/rc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "alloc/count.h"
#include "base/atomic.h"
#include "base/bits.h"
#include "collect/cycle.h"
#include "heap/special/special.h"
#include "support.h"

static __attribute__((noinline)) void clear_stack(void)
{
    volatile char area[16384];
    for (size_t i = 0; i < sizeof area; i++)
        area[i] = 0;
}

static volatile uintptr_t hidden; /* complemented */
static volatile u32_shared is_ready, is_over;

static void *shown(void)
{
    return (void *)~hidden;
}

static void wait_for(volatile u32_shared *flag)
{
    while (u32_load_acquire(flag) == 0)
        sched_yield();
}

/* ---- Alternate signal stacks ---------------------------------------------------------------------------------------- */

#define STACK_BYTES 65536

/* Only the kernel has the block's address from here on. */
static __attribute__((noinline)) void stand_on_a_block(void)
{
    stack_t stack = {.ss_sp = gca_malloc(STACK_BYTES), .ss_size = STACK_BYTES};
    hidden = ~(uintptr_t)stack.ss_sp;
    ck_assert_int_eq(sigaltstack(&stack, NULL), 0);
}

static void stand_on_none(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    ck_assert_int_eq(sigaltstack(&none, NULL), 0);
}

static void *wait_beside_a_block(void *unused)
{
    stand_on_a_block();
    clear_stack();
    u32_store_release(&is_ready, 1);
    wait_for(&is_over);
    stand_on_none();
    return unused;
}

START_TEST(the_kernel_holds_anothers_alternate_stack)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_beside_a_block, NULL), 0);
    wait_for(&is_ready);
    gca_collect();
    ck_assert(gca_is_reachable(shown()));
    u32_store_release(&is_over, 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    clear_stack();
    ck_assert(!gca_is_reachable(shown()));
}
END_TEST

START_TEST(the_kernel_holds_ones_own_alternate_stack)
{
    stand_on_a_block();
    clear_stack();
    gca_collect();
    ck_assert(gca_is_reachable(shown()));
    stand_on_none();
    clear_stack();
    ck_assert(!gca_is_reachable(shown()));
}
END_TEST

/* ---- What a thread is busy with --------------------------------------------------------------------------------------- */

#define TIMES 200 /* enough to become busy (alloc/count.h) */

struct ring {
    struct ring *self;
};

static volatile u32_shared destroyed;

static void ring_destroy(void *object)
{
    u32_add(&destroyed, 1);
    gca_clear(&((struct ring *)object)->self);
}

static const gca_type ring_type = {.name = "ring", .destroy = ring_destroy};

/* Behind it others that stay: what lies in the word that is being handed out is not swept. */
static __attribute__((noinline)) void make_ring(void)
{
    static struct ring *volatile others[4 * BITS_PER_WORD];
    struct ring *ring = gca_rc_new(sizeof *ring, &ring_type);
    gca_set(&ring->self, ring);
    hidden = ~(uintptr_t)ring;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        others[i] = gca_rc_new(sizeof *ring, &ring_type);
}

static __attribute__((noinline)) void count_often(void)
{
    for (int i = 0; i < TIMES; i++) {
        gca_retain(shown());
        gca_release(shown());
    }
    ck_assert_uint_eq(word_load(&gci_count_self.busy), ~hidden);
}

static void *stay_busy(void *unused)
{
    count_often();
    clear_stack();
    u32_store_release(&is_ready, 1);
    wait_for(&is_over);
    return unused;
}

START_TEST(the_name_of_what_a_thread_is_busy_with_keeps_nothing)
{
    pthread_t thread;
    make_ring();
    ck_assert_int_eq(pthread_create(&thread, NULL, stay_busy, NULL), 0);
    wait_for(&is_ready);
    gca_finalize_run(); /* takes it out of the inbox, which would keep it */
    clear_stack();
    gca_collect();
    gca_finalize_run();
    ck_assert_uint_eq(u32_load(&destroyed), 1);
    u32_store_release(&is_over, 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* ---- Who destroys what was found -------------------------------------------------------------------------------------- */

#define RINGS 1000
#define RINGS_LEAST 900 /* the word that is being handed out, and stray words on the stack, keep some */

static __attribute__((noinline)) void lose_rings(void)
{
    for (int i = 0; i < RINGS; i++) {
        struct ring *ring = gca_rc_new(sizeof *ring, &ring_type);
        gca_set(&ring->self, ring);
        gca_release(ring);
    }
}

/* A collection in the middle of a request calls nothing of the program's. */
START_TEST(the_next_counted_object_destroys_what_was_set_aside)
{
    lose_rings();
    clear_stack();
    gci_cycle_run(REASON_GROWTH);
    ck_assert_uint_eq(u32_load(&destroyed), 0);
    gca_release(gca_rc_new(sizeof(struct ring), NULL));
    ck_assert_uint_ge(u32_load(&destroyed), RINGS_LEAST);
}
END_TEST

/* ---- Records of what is gone ------------------------------------------------------------------------------------------ */

#define SLOTS 1000
#define SLOTS_LEAST 900

static __attribute__((noinline)) void lose_slots(void *object)
{
    for (int i = 0; i < SLOTS; i++) {
        void **slot = gca_malloc(sizeof *slot);
        *slot = object;
        ck_assert_int_eq(gca_weak_link(slot, object), 0);
    }
}

/* Otherwise an object that lives for ever would have records of all slots that there ever were, and its end be written where
 * other blocks are by then. */
START_TEST(slots_that_are_gone_are_no_links)
{
    static void *volatile object;
    object = gca_malloc(100);
    uint64_t before = word_load(&gci_special_count);
    lose_slots(object);
    ck_assert_uint_ge(word_load(&gci_special_count), before + SLOTS);
    clear_stack();
    gca_collect();
    ck_assert_uint_le(word_load(&gci_special_count), before + 2 * (SLOTS - SLOTS_LEAST));
    ck_assert(gca_is_reachable(object));
}
END_TEST

MAKE_SUITE(roots, the_kernel_holds_anothers_alternate_stack, the_kernel_holds_ones_own_alternate_stack,
           the_name_of_what_a_thread_is_busy_with_keeps_nothing, the_next_counted_object_destroys_what_was_set_aside,
           slots_that_are_gone_are_no_links)
