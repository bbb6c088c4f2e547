/* SPDX-License-Identifier: MIT */
/* What a collection takes for a root though no word of the program's holds it, what it does not although one of ours does, and
 * who destroys what it has found. */
#include <gcalloc.h>
#include <gcalloc/rc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc/counts/count.h"
#include "base/atomic.h"
#include "base/bits.h"
#include "collect/cycle.h"
#include "heap/special/special.h"
#include "hidden.h"
#include "mark/mark.h"
#include "support.h"
#include "world/critical.h"
#include "world/roots.h"

/* Where memory is refused a collection is given up. */
static void collect_once(void)
{
    uint64_t before;
    do {
        before = gci_cycle_totals.given_up;
        gca_collect();
    } while (gci_cycle_totals.given_up != before);
}

/* ---- What a thread is busy with --------------------------------------------------------------------------------------- */

#define TIMES 200 /* enough to become busy (alloc/counts/count.h) */

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
    gca_disable(); /* only the other thread has it, for a while */
    make_ring();
    ck_assert_int_eq(pthread_create(&thread, NULL, stay_busy, NULL), 0);
    wait_for(&is_ready);
    gca_finalize_run(); /* takes it out of the inbox, which would keep it */
    clear_stack();
    gca_enable();
    gca_collect();
    gca_finalize_run();
    ck_assert_uint_eq(u32_load(&destroyed), 1);
    u32_store_release(&is_over, 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static unsigned count_busy(void)
{
    unsigned count = 0;
    for (uint32_t id = 1; id <= u32_load_acquire(&gci_heap.cache_count); id++)
        count += gci_heap.caches[id]->busy_at != NULL;
    return count;
}

/* As in a handler that interrupts a slow path, whose child takes over nothing that others had: their names are memory that it may
 * use for other things. */
START_TEST(a_child_does_not_look_at_what_others_were_busy_with)
{
    pthread_t thread;
    int status = -1;
    gca_disable();
    make_ring();
    ck_assert_int_eq(pthread_create(&thread, NULL, stay_busy, NULL), 0);
    wait_for(&is_ready);
    critical_enter();
    pid_t child = fork();
    if (child == 0)
        _exit(count_busy() != 0);
    ck_assert_uint_eq(count_busy(), 1);
    critical_leave();
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    u32_store_release(&is_over, 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

#define OWN_STACK_BYTES ((size_t)256 << 10)

static void *vanish(void *unused)
{
    count_often();
    syscall(SYS_exit, 0);
    return unused;
}

/* Nobody has been told that the thread is no longer busy, and where its name for that was is nothing. */
START_TEST(a_vanished_thread_is_not_asked_what_it_is_busy_with)
{
    pthread_t thread;
    pthread_attr_t attributes;
    void *stack = mmap(NULL, OWN_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(stack, MAP_FAILED);
    gca_disable();
    make_ring();
    ck_assert_int_eq(pthread_attr_init(&attributes), 0);
    ck_assert_int_eq(pthread_attr_setstack(&attributes, stack, OWN_STACK_BYTES), 0);
    ck_assert_int_eq(pthread_create(&thread, &attributes, vanish, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(munmap(stack, OWN_STACK_BYTES), 0);
    gca_finalize_run();
    gca_clear(&((struct ring *)shown())->self);
    gca_release(shown());
    ck_assert_uint_eq(u32_load(&destroyed), 1);
}
END_TEST

/* ---- What no word holds ----------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) void make_immortal(void)
{
    static struct ring *volatile others[4 * BITS_PER_WORD];
    struct ring *ring = gca_rc_new(sizeof *ring, &ring_type);
    hidden = ~(uintptr_t)ring;
    gca_rc_make_immortal(ring);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        others[i] = gca_rc_new(sizeof *ring, &ring_type);
}

START_TEST(the_immortal_need_no_pointer)
{
    make_immortal();
    clear_stack();
    gca_collect();
    ck_assert_uint_eq(u32_load(&destroyed), 0);
    ck_assert(gca_is_reachable(shown()));
}
END_TEST

#define CHAIN 64 /* more than are followed in rounds (collect/follow.c) */

/* A value leads to the next key at once, and to the next ephemeron by detours, before the key and behind it. So large that few
 * lie in the word that is being handed out, which is not swept. */
struct value {
    void *key_before;
    void **detour;
    void *key_behind;
    char rest[3000];
};

static gca_ephemeron *volatile first_ephemeron;
static void *volatile first_key;

static void **detour_to(void *end)
{
    for (int i = 0; i < 3; i++) {
        void **step = gca_malloc((size_t)200 << i);
        *step = end;
        end = step;
    }
    return end;
}

static __attribute__((noinline)) void make_chain(void)
{
    gca_ephemeron *next = NULL;
    void *next_key = NULL;
    for (int i = 0; i < CHAIN; i++) {
        struct value *value = gca_malloc(sizeof *value);
        *value = (struct value){i % 2 == 0 ? next_key : NULL, detour_to(next), i % 2 == 0 ? NULL : next_key, ""};
        next_key = gca_malloc_atomic(1000);
        next = gca_ephemeron_new(next_key, value);
    }
    first_ephemeron = next;
    first_key = next_key;
}

START_TEST(whole_chains_of_ephemerons_are_followed)
{
    make_chain();
    clear_stack();
    gca_collect();
    const gca_ephemeron *ephemeron = first_ephemeron;
    for (int i = 0; i < CHAIN; i++) {
        struct value *value = gca_ephemeron_value(ephemeron);
        ck_assert_ptr_nonnull(value);
        ck_assert_msg(gca_base(value) == value, "link %d is gone", i);
        void **step = value->detour;
        ephemeron = *(gca_ephemeron **)**(void ***)step;
    }
}
END_TEST

#define LOST 50
#define LOST_LEAST 40 /* stray words on the stack keep some */

/* Behind a chain, where objects are followed one by one: ephemerons of which nobody else has the keys. */
static void *lost_values[LOST]; /* weakly linked */

static __attribute__((noinline)) void end_chain(void)
{
    const gca_ephemeron *ephemeron = first_ephemeron;
    struct value *value = gca_ephemeron_value(ephemeron);
    for (int i = 1; i < CHAIN; i++) {
        ephemeron = *(gca_ephemeron **)**(void ***)value->detour;
        value = gca_ephemeron_value(ephemeron);
    }
    void **ends = value->key_before = gca_malloc(LOST * sizeof *ends);
    for (int i = 0; i < LOST; i++) {
        lost_values[i] = gca_malloc(3000);
        ends[i] = gca_ephemeron_new(gca_malloc(3000), lost_values[i]);
        ck_assert_int_eq(gca_weak_link(&lost_values[i], lost_values[i]), 0);
    }
    hidden = ~(uintptr_t)ends;
}

START_TEST(a_lost_key_holds_no_value_at_the_end_of_a_chain)
{
    int lost = 0;
    make_chain();
    end_chain();
    clear_stack();
    collect_once();
    ck_assert(gca_is_reachable(shown()));
    for (int i = 0; i < LOST; i++)
        lost += lost_values[i] == NULL && gca_ephemeron_value(((gca_ephemeron **)shown())[i]) == NULL;
    ck_assert_int_ge(lost, LOST_LEAST);
}
END_TEST

static gca_ephemeron *of_keys[LOST];
static void *revived[LOST];

static void revive(void *object, void *place)
{
    *(void **)place = object;
}

static __attribute__((noinline)) void lose_keys(void)
{
    for (int i = 0; i < LOST; i++) {
        void *key = gca_malloc(3000);
        of_keys[i] = gca_ephemeron_new(key, gca_malloc(3000));
        ck_assert_int_eq(gca_finalizer_set(key, revive, &revived[i]), 0);
    }
}

/* Nobody sees a key that was gone come back. */
START_TEST(an_ephemeron_loses_its_key_before_that_is_finalized)
{
    int come_back = 0;
    lose_keys();
    clear_stack();
    collect_once();
    for (int i = 0; i < LOST; i++) {
        bool has_key = gca_ephemeron_key(of_keys[i]) != NULL;
        ck_assert(has_key == (revived[i] == NULL) && has_key == (gca_ephemeron_value(of_keys[i]) != NULL));
        come_back += !has_key;
    }
    ck_assert_int_ge(come_back, LOST_LEAST);
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

#define LAST_OF_THREAD 50

struct numbered {
    struct numbered *self;
    unsigned number;
};

static unsigned ends[RINGS];
static unsigned ends_until_exit = LAST_OF_THREAD;

static void numbered_destroy(void *object)
{
    struct numbered *numbered = object;
    ends[numbered->number]++;
    if (--ends_until_exit == 0)
        pthread_exit(NULL);
}

static const gca_type numbered_type = {.name = "numbered", .destroy = numbered_destroy};

static __attribute__((noinline)) void lose_numbered(void)
{
    for (unsigned i = 0; i < RINGS; i++) {
        struct numbered *numbered = gca_rc_new(sizeof *numbered, &numbered_type);
        numbered->number = i;
        gca_set(&numbered->self, numbered);
        gca_release(numbered);
    }
}

static void *destroy_what_is_due(void *unused)
{
    gca_free(gca_malloc(1)); /* a thread that the heap knows: its stack is no root any more once it has ended */
    gca_finalize_run();
    return unused;
}

/* The thread that has taken them ends in the middle, and what it was about to do is found by the next collection. */
START_TEST(what_an_ended_thread_has_destroyed_is_not_destroyed_again)
{
    pthread_t thread;
    unsigned all = 0;
    lose_numbered();
    clear_stack();
    gci_cycle_run(REASON_GROWTH);
    ck_assert_int_eq(pthread_create(&thread, NULL, destroy_what_is_due, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(ends_until_exit, 0);
    clear_stack();
    gca_collect();
    gca_finalize_run();
    for (unsigned i = 0; i < RINGS; all += ends[i++])
        ck_assert_uint_le(ends[i], 1);
    ck_assert_uint_ge(all, RINGS_LEAST);
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
    collect_once();
    ck_assert_uint_le(word_load(&gci_special_count), before + 2 * (SLOTS - SLOTS_LEAST));
    ck_assert(gca_is_reachable(object));
}
END_TEST

#define DESCRIPTORS_MAX 8 /* at least as many as a collection opens */

static void *weak_slot;

/* Whichever of the system's files it cannot open. */
START_TEST(a_collection_that_is_given_up_changes_no_weak_slot)
{
    static void *volatile object;
    uint64_t given_up = 0;
    int lowest = dup(0);
    object = weak_slot = gca_malloc(3000);
    ck_assert_int_eq(gca_weak_link(&weak_slot, object), 0);
    ck_assert_int_ge(lowest, 0);
    close(lowest);
    for (int more = 0; more < DESCRIPTORS_MAX; more++) {
        struct rlimit limit = {(rlim_t)(lowest + more), DESCRIPTORS_MAX + (rlim_t)lowest};
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        gca_collect();
        ck_assert_ptr_eq(weak_slot, object);
        given_up = gci_cycle_totals.given_up;
    }
    ck_assert_uint_gt(given_up, 1);
    ck_assert_uint_lt(given_up, DESCRIPTORS_MAX);
}
END_TEST

/* What has come to lie in the place of something freed is not written when the other half goes. */
START_TEST(what_is_freed_has_no_records)
{
    uint64_t before = word_load(&gci_special_count);
    void **object = gca_malloc(3000);
    void **slot = gca_malloc(3000);
    gca_disable();
    *slot = object;
    ck_assert_int_eq(gca_weak_link(slot, object), 0);
    gca_free(slot);
    ck_assert_uint_eq(word_load(&gci_special_count), before);
    gca_free(gca_ephemeron_new(object, object));
    ck_assert_uint_eq(word_load(&gci_special_count), before);
    ck_assert_ptr_nonnull(gca_ephemeron_new(object, object));
    gca_free(object);
    ck_assert_uint_eq(word_load(&gci_special_count), before);
}
END_TEST

MAKE_SUITE(roots, the_name_of_what_a_thread_is_busy_with_keeps_nothing, the_immortal_need_no_pointer,
           whole_chains_of_ephemerons_are_followed, what_an_ended_thread_has_destroyed_is_not_destroyed_again,
           a_vanished_thread_is_not_asked_what_it_is_busy_with, a_child_does_not_look_at_what_others_were_busy_with,
           what_is_freed_has_no_records, a_collection_that_is_given_up_changes_no_weak_slot)

/* What these count must not be found by a collection that they have not asked for. */
MAKE_SUITE(own_collections, the_next_counted_object_destroys_what_was_set_aside, slots_that_are_gone_are_no_links,
           a_lost_key_holds_no_value_at_the_end_of_a_chain, an_ephemeron_loses_its_key_before_that_is_finalized)
