/* SPDX-License-Identifier: MIT */
/* The protocol of reference counts between threads, for the thread sanitizer too: no collection, so nothing hides an order that
 * is missing.
 */
#include <gcalloc/rc.h>
#include <pthread.h>

#include "base/atomic.h"
#include "support.h"

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
#define TIMES 200 /* enough to become busy (alloc/count.h) */

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

MAKE_SUITE(counts, references_between_threads_are_counted_once, an_object_that_all_count_goes_once)
