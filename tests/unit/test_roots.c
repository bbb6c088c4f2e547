/* SPDX-License-Identifier: MIT */
/* What a collection takes for a root though no word of the program's holds it, and what it does not although one of ours does. */
#include <gcalloc.h>
#include <gcalloc/rc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "alloc/count.h"
#include "base/atomic.h"
#include "base/bits.h"
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

MAKE_SUITE(roots, the_kernel_holds_anothers_alternate_stack, the_kernel_holds_ones_own_alternate_stack,
           the_name_of_what_a_thread_is_busy_with_keeps_nothing)
