/* SPDX-License-Identifier: MIT */
/* The protocol of reference counts between threads, for the thread sanitizer too: no collection, so nothing hides an order that
 * is missing.
 */
#include <gcalloc/rc.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

#include "alloc/counts/count.h"
#include "alloc/torture.h"
#include "base/atomic.h"
#include "heap/special/special.h"
#include "support.h"
#include "world/critical.h"

#define THREADS 4
#define PLACES 16
#define STEPS 20000

struct item {
    uint64_t number; /* written by its maker, read by whoever destroys it */
    struct item *next;
};

static struct place {
    pthread_mutex_t lock;
    struct item *item;
    gca_weak_t weak;
} places[PLACES];

static pthread_barrier_t all_are_done;
static volatile shared_word made;
static volatile shared_word destroyed;
static volatile shared_word sum;

static void item_destroy(void *object)
{
    struct item *item = object;
    word_add(&destroyed, 1);
    word_add(&sum, item->number);
    item->number = 0;
    gca_clear(&item->next);
}

static const gca_type item_type = {.name = "item", .destroy = item_destroy};

static struct item *make_item(uint64_t number)
{
    struct item *item = gca_rc_new(sizeof *item, &item_type);
    ck_assert_ptr_nonnull(item);
    item->number = number;
    word_add(&made, 1);
    word_add(&sum, -number);
    return item;
}

/* Lock of the place held. The caller's reference, or NULL. */
static struct item *visit(struct place *place, uint64_t random)
{
    struct item *item = gca_retain(place->item);
    struct item *weakly = gca_weak_get(&place->weak);
    ck_assert_ptr_eq(item, weakly);
    gca_release(weakly);
    if (random % 4 == 0) {
        struct item *fresh = make_item(random);
        if (item != NULL && item->next == NULL)
            gca_set(&fresh->next, item);
        gca_set(&place->item, fresh);
        ck_assert_int_eq(gca_weak_init(&place->weak, fresh), 0);
        gca_release(fresh);
    } else if (random % 16 == 1) {
        gca_clear(&place->item);
        gca_weak_clear(&place->weak);
    }
    return item;
}

static void *exchange(void *seed)
{
    uint64_t random = (uintptr_t)seed;
    for (int i = 0; i < STEPS; i++) {
        struct place *place = &places[random_next(&random) % PLACES];
        pthread_mutex_lock(&place->lock);
        struct item *item = visit(place, random >> 8);
        pthread_mutex_unlock(&place->lock);
        gca_release(gca_retain(item));
        gca_release(item);
    }
    gca_thread_unregister(); /* ends as an owner */
    pthread_barrier_wait(&all_are_done);
    pause(); /* the sanitizer's account of a thread is gone before the thread's last destructors */
    return NULL;
}

START_TEST(references_between_threads_are_counted_once)
{
    pthread_t threads[THREADS];
    uint64_t random = random_seed();
    gca_disable();
    pthread_barrier_init(&all_are_done, NULL, THREADS + 1);
    for (size_t i = 0; i < PLACES; i++)
        pthread_mutex_init(&places[i].lock, NULL);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, exchange, (void *)(uintptr_t)(random_next(&random) | 1)), 0);
    pthread_barrier_wait(&all_are_done);
    for (size_t i = 0; i < PLACES; i++)
        gca_clear(&places[i].item);
    gca_finalize_run();
    ck_assert_uint_eq(word_load(&destroyed), word_load(&made));
    ck_assert_uint_eq(word_load(&sum), 0);
    for (size_t i = 0; i < PLACES; i++)
        ck_assert_ptr_null(gca_weak_get(&places[i].weak));
}
END_TEST

/* ---- One object, counted by all at the same time ---------------------------------------------------------------------- */

#define ROUNDS 300
#define TIMES 200 /* enough to become busy (alloc/counts/count.h) */

static pthread_barrier_t turn;
static struct item *volatile common;

static void *count_in_rounds(void *unused)
{
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&turn); /* it is made, and this thread's reference with it */
        struct item *item = common;
        for (int i = 0; i < TIMES; i++) {
            gca_retain(item);
            gca_release(item);
        }
        gca_release(item);
        pthread_barrier_wait(&turn);
    }
    gca_thread_unregister();
    pthread_barrier_wait(&turn);
    pause();
    return unused;
}

/* The address is used again, by this thread or by one that has counted there. */
START_TEST(an_object_that_all_count_goes_once)
{
    pthread_t threads[THREADS];
    gca_disable();
    pthread_barrier_init(&turn, NULL, THREADS + 1);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_in_rounds, NULL), 0);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t before = word_load(&destroyed);
        struct item *item = make_item((uint64_t)round);
        gca_weak_t weak = {NULL};
        if (round % 2 == 0)
            ck_assert_int_eq(gca_weak_init(&weak, item), 0);
        for (size_t i = 0; i < THREADS; i++)
            gca_retain(item);
        common = item;
        pthread_barrier_wait(&turn);
        if (round % 3 == 0)
            gca_release(gca_weak_get(&weak));
        gca_release(item);
        pthread_barrier_wait(&turn);
        gca_finalize_run();
        ck_assert_uint_eq(word_load(&destroyed), before + 1);
        ck_assert_ptr_null(gca_weak_get(&weak));
    }
    pthread_barrier_wait(&turn);
}
END_TEST

/* ---- At the end of a thread, and of the count ------------------------------------------------------------------------- */

#define BEHIND_A_STEP 1500 /* DESTROY_STEP and more (alloc/counts/destroy.h) */

static struct item *counted_at_the_end;

static void count_at_the_end(void *object)
{
    if (((struct item *)object)->number == BEHIND_A_STEP)
        for (int i = 0; i < TIMES; i++) {
            gca_retain(counted_at_the_end);
            gca_release(counted_at_the_end);
        }
    gca_clear(&((struct item *)object)->next);
}

static const gca_type last_type = {.name = "last", .destroy = count_at_the_end};

static void *leave_a_list(void *unused)
{
    struct item *list = NULL;
    for (uint64_t i = BEHIND_A_STEP; i > 0; i--) {
        struct item *item = gca_rc_new(sizeof *item, &last_type);
        item->number = i;
        item->next = list;
        list = item;
    }
    gca_release(list); /* the rest is destroyed at the end */
    ck_assert_uint_eq(word_load(&gci_count_self.busy), 0);
    gca_thread_unregister();
    ck_assert_uint_eq(word_load(&gci_count_self.busy), 0);
    return unused;
}

/* What a destroy function has made busy at the end of its thread is no name that outlives it. */
START_TEST(a_thread_that_ends_names_nothing_busy)
{
    pthread_t thread;
    gca_disable();
    counted_at_the_end = make_item(1);
    ck_assert_int_eq(pthread_create(&thread, NULL, leave_a_list, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    gca_finalize_run(); /* what it has queued is merged */
    ck_assert_uint_eq(gca_rc_count(counted_at_the_end), 1);
    gca_release(counted_at_the_end);
}
END_TEST

static struct counted *header_of(void *object)
{
    void *volatile start = object; /* it lies in front of what the compiler knows of */
    return (struct counted *)start - 1;
}

static volatile u32_shared has_left;

static void *count_and_leave(void *item)
{
    gca_retain(item);
    for (int i = 0; i < TIMES; i++) {
        gca_retain(item);
        gca_release(item);
    }
    gca_release(item);
    gca_thread_unregister();
    u32_store(&has_left, 1); /* orders nothing: the locks of the library alone do */
    pause();
    return NULL;
}

/* Whoever looks then who is busy with it takes one lock, of those that the thread has taken at its end. */
START_TEST(a_thread_that_has_left_is_busy_with_nothing)
{
    pthread_t thread;
    gca_disable();
    struct item *item = make_item(1);
    uint64_t before = word_load(&destroyed);
    ck_assert_int_eq(pthread_create(&thread, NULL, count_and_leave, item), 0);
    while (u32_load(&has_left) == 0)
        sched_yield();
    gca_finalize_run(); /* what it has queued is merged */
    ck_assert_uint_ne(u32_load(&header_of(item)->shared) & SHARED_BUSY, 0);
    gca_release(item);
    ck_assert_uint_eq(word_load(&destroyed), before + 1);
}
END_TEST

/* With the lock of weak references held, when others may name it busy: no other lock is taken then (asserted in enter). */
START_TEST(a_weak_load_at_the_end_of_the_count_makes_immortal)
{
    gca_weak_t weak;
    gca_disable();
    struct item *item = make_item(1);
    ck_assert_int_eq(gca_weak_init(&weak, item), 0);
    struct counted *header = header_of(item);
    u32_store(&header->shared, (u32_load(&header->shared) + INT32_MAX / 2 + 2 * SHARED_ONE) | SHARED_BUSY);
    counted_set_local(header, LOCAL_COUNT_MAX);
    ck_assert_ptr_eq(gca_weak_get(&weak), item);
    ck_assert_uint_eq(gca_rc_count(item), SIZE_MAX);
}
END_TEST

/* The owner's words come to their end many times, whatever the count is: that of others gets a part of it, once it is large. */
START_TEST(the_owner_counts_beyond_its_words)
{
    static const uint32_t most[] = {1, 3, LOCAL_COUNT_MAX / 2, LOCAL_COUNT_MAX, 3 * LOCAL_COUNT_MAX};
    gca_disable();
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        uint64_t before = word_load(&destroyed);
        struct item *item = make_item(i);
        for (uint32_t round = 0; round < 3 * UINT16_MAX / most[i] + 2; round++) {
            for (uint32_t n = 0; n < most[i]; n++)
                gca_retain(item);
            ck_assert_uint_eq(gca_rc_count(item), most[i] + 1);
            for (uint32_t n = 0; n < most[i]; n++)
                gca_release(item);
            ck_assert_uint_eq(gca_rc_count(item), 1);
        }
        ck_assert_uint_eq(word_load(&destroyed), before);
        gca_release(item);
        ck_assert_uint_eq(word_load(&destroyed), before + 1);
    }
}
END_TEST

START_TEST(an_object_becomes_immortal_once)
{
    gca_disable();
    struct item *item = make_item(1);
    uint64_t before = word_load(&gci_special_count);
    for (int i = 0; i < 3; i++) {
        gca_rc_make_immortal(item);
        ck_assert_uint_eq(gca_rc_count(item), SIZE_MAX);
        ck_assert_uint_eq(word_load(&gci_special_count), before + 1);
    }
}
END_TEST

/* ---- Another thread in the middle of a step -------------------------------------------------------------------------- */

#if defined(GCI_TORTURE)

static enum torture_point point_wanted;
static pthread_t hooked_thread;
static void *(*between)(void *item);

/* Once, and only on the thread that the test means. */
static void come_between(enum torture_point point)
{
    pthread_t other;
    if (point != point_wanted || between == NULL || !pthread_equal(pthread_self(), hooked_thread))
        return;
    void *(*work)(void *) = between;
    between = NULL;
    ck_assert_int_eq(pthread_create(&other, NULL, work, common), 0);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
}

static void expect_between(enum torture_point point, void *(*work)(void *item))
{
    gca_disable();
    point_wanted = point;
    hooked_thread = pthread_self();
    between = work;
    gci_torture_hook = come_between;
}

static void check_came_between(uint64_t destroyed_before, uint64_t count)
{
    ck_assert(between == NULL);
    gci_torture_hook = NULL;
    gca_finalize_run();
    ck_assert_uint_eq(word_load(&destroyed), destroyed_before + count);
}

static void *retain_it(void *item)
{
    gca_retain(item);
    return NULL;
}

static void *release_it(void *item)
{
    gca_release(item);
    return NULL;
}

static void *make_it_immortal(void *item)
{
    gca_rc_make_immortal(item);
    return NULL;
}

static void on_other_thread(void *(*work)(void *))
{
    pthread_t other;
    ck_assert_int_eq(pthread_create(&other, NULL, work, common), 0);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
}

START_TEST(an_owner_that_lets_go_does_not_undo_immortality)
{
    uint64_t before = word_load(&destroyed);
    common = make_item(1);
    on_other_thread(retain_it);
    expect_between(TORTURE_LEAVES_OWNER, make_it_immortal);
    gca_release(common);
    check_came_between(before, 0);
    ck_assert_uint_eq(gca_rc_count(common), SIZE_MAX);
    on_other_thread(release_it);
    gca_release(common);
    check_came_between(before, 0);
}
END_TEST

/* The owner's count is nowhere for a moment: nobody takes the object for dead. */
START_TEST(an_owner_that_has_let_go_is_the_one_who_sees_the_end)
{
    uint64_t before = word_load(&destroyed);
    common = make_item(1);
    on_other_thread(retain_it);
    expect_between(TORTURE_LEFT_OWNER, release_it);
    gca_release(common);
    check_came_between(before, 1);
}
END_TEST

static pthread_barrier_t step;

/* On the thread that has queued the object and not yet put it into the inbox; the owner, which waits, lets go. */
static void let_owner_go(enum torture_point point)
{
    if (point != TORTURE_QUEUES)
        return;
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
}

static void *release_with_hook(void *item)
{
    gci_torture_hook = let_owner_go;
    gca_release(item);
    gci_torture_hook = NULL;
    return NULL;
}

/* The last reference of all is the owner's, and the object on its way to the inbox: one of the two ends it. */
START_TEST(what_the_owner_lets_go_on_its_way_to_the_inbox_goes_once)
{
    pthread_t other;
    uint64_t before = word_load(&destroyed);
    gca_disable();
    pthread_barrier_init(&step, NULL, 2);
    common = make_item(1);
    gca_retain(common); /* the other thread's */
    ck_assert_int_eq(pthread_create(&other, NULL, release_with_hook, common), 0);
    pthread_barrier_wait(&step);
    on_other_thread(retain_it);
    gca_release(common); /* a local count of 1 is left, for what the third thread has */
    ck_assert_uint_eq(gca_rc_count(common), 1);
    gca_release(common); /* which it hands over */
    gca_finalize_run();
    ck_assert_uint_eq(word_load(&destroyed), before);
    pthread_barrier_wait(&step);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    ck_assert_uint_eq(word_load(&destroyed), before + 1);
    gca_finalize_run();
    ck_assert_uint_eq(word_load(&destroyed), before + 1);
}
END_TEST

/* What comes into the inbox when it has just been emptied is not forgotten until something else comes. */
START_TEST(an_errand_that_comes_late_is_done_next)
{
    uint64_t before = word_load(&destroyed);
    struct item *queued = make_item(1);
    struct item *late = make_item(2);
    common = queued;
    on_other_thread(release_it);
    ck_assert_uint_eq(word_load(&destroyed), before);
    common = late;
    expect_between(TORTURE_ERRANDS, release_it);
    gca_release(make_item(3));
    ck_assert(between == NULL);
    gca_release(make_item(4));
    ck_assert_uint_eq(word_load(&destroyed), before + 4);
    check_came_between(before, 4);
}
END_TEST

/* ---- Forked in the middle of a step ------------------------------------------------------------------------------------ */

static uint32_t held;
static uint32_t forks;

/* The child has neither the owner nor what it was about to do: all references that there were are given back, and the object does
 * not go before the last of them. */
static void *give_back_in_a_child(void *item)
{
    pid_t child = fork();
    if (child == 0) {
        uint64_t before = word_load(&destroyed);
        gca_finalize_run();
        for (uint32_t i = 0; i + 1 < held; i++)
            gca_release(item);
        _exit(word_load(&destroyed) != before);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    return NULL;
}

static void fork_now(enum torture_point point)
{
    if (point != TORTURE_BEGINS_AGAIN)
        return;
    gci_torture_hook = NULL;
    on_other_thread(give_back_in_a_child);
    gci_torture_hook = fork_now;
    forks++;
}

START_TEST(a_count_that_begins_again_is_never_too_low)
{
    static const uint32_t most[] = {1, LOCAL_COUNT_MAX / 2, LOCAL_COUNT_MAX - 1};
    gca_disable();
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        struct item *item = make_item(i);
        common = item;
        forks = 0;
        held = most[i];
        for (uint32_t n = 1; n < held; n++)
            gca_retain(item);
        gci_torture_hook = fork_now;
        while (forks == 0) {
            gca_retain(item);
            if (forks == 0)
                gca_release(item);
        }
        gci_torture_hook = NULL;
        ck_assert_uint_eq(forks, 3);
        ck_assert_uint_eq(gca_rc_count(item), held + 1);
        for (uint32_t n = 0; n <= held; n++)
            gca_release(item);
    }
}
END_TEST

static pid_t forked_inside;

/* As a handler of the program that interrupts the owner, which has the lock of counts. */
static void fork_inside(enum torture_point point)
{
    if (point != TORTURE_LEAVES_OWNER || !critical_is_inside())
        return;
    gci_torture_hook = NULL;
    forked_inside = fork();
}

/* Both go on with what they were doing, and with the lock. */
START_TEST(a_fork_under_the_lock_of_counts_is_survived)
{
    uint64_t before = word_load(&destroyed);
    gca_disable();
    struct item *item = make_item(1);
    common = gca_retain(item);
    on_other_thread(release_it);
    common = item;
    on_other_thread(release_it); /* and has put it into the inbox */
    forked_inside = -1;
    gci_torture_hook = fork_inside;
    gca_finalize_run();
    bool is_whole = word_load(&destroyed) == before + 1;
    common = make_item(2);
    on_other_thread(release_it);
    gca_finalize_run();
    is_whole = is_whole && word_load(&destroyed) == before + 2;
    if (forked_inside == 0)
        _exit(!is_whole);
    int status = -1;
    ck_assert(is_whole && forked_inside > 0);
    ck_assert_int_eq(waitpid(forked_inside, &status, 0), forked_inside);
    ck_assert_int_eq(status, 0);
}
END_TEST

#define WITH_HOOKS                                                                                                     \
    , an_owner_that_lets_go_does_not_undo_immortality, an_owner_that_has_let_go_is_the_one_who_sees_the_end,           \
        what_the_owner_lets_go_on_its_way_to_the_inbox_goes_once, an_errand_that_comes_late_is_done_next,              \
        a_count_that_begins_again_is_never_too_low, a_fork_under_the_lock_of_counts_is_survived
#else
#define WITH_HOOKS
#endif

MAKE_SUITE(counts, references_between_threads_are_counted_once, an_object_that_all_count_goes_once,
           a_thread_that_ends_names_nothing_busy, a_thread_that_has_left_is_busy_with_nothing,
           a_weak_load_at_the_end_of_the_count_makes_immortal, the_owner_counts_beyond_its_words,
           an_object_becomes_immortal_once WITH_HOOKS)
