/* SPDX-License-Identifier: MIT */
/* gcalloc/rc.h: counts, destroying, cycles, weak references, from one thread and from several. */
#include "check.h"

#include <gcalloc/rc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct node {
    struct node *next;
    struct node *other;
    void *plain;
    int number;
};

static atomic_size_t destroyed;
static _Thread_local int last_number;

static void node_destroy(void *object)
{
    struct node *node = object;
    atomic_fetch_add(&destroyed, 1);
    last_number = node->number;
    gca_clear(&node->next);
    gca_clear(&node->other);
}

static const gca_type node_type = {.name = "node", .destroy = node_destroy};
static const gca_type bare_type = {.name = "bare"};

static struct node *new_node(void)
{
    struct node *node = gca_rc_new(sizeof *node, &node_type);
    CHECK(node != NULL && node->next == NULL && (uintptr_t)node % 16 == 0);
    return node;
}

static void test_counts(void)
{
    size_t before = destroyed;
    struct node *node = new_node();
    CHECK(gca_rc_count(node) == 1 && gca_rc_is_unique(node) && gca_rc_type(node) == &node_type);
    CHECK(gca_retain(node) == node && gca_rc_count(node) == 2 && !gca_rc_is_unique(node));
    gca_release(node);
    CHECK(destroyed == before);
    errno = 7;
    gca_release(node);
    CHECK(destroyed == before + 1 && errno == 7);
    CHECK(gca_retain(NULL) == NULL && gca_rc_count(NULL) == 0);
    gca_release(NULL);
    void *bare = gca_rc_new(100000, &bare_type);
    CHECK(bare != NULL && gca_base((char *)bare + 5000) == bare);
    gca_release(bare);
    void *untyped = gca_rc_new(0, NULL);
    CHECK(untyped != NULL && gca_rc_type(untyped) == NULL);
    gca_release(untyped);
    errno = 0;
    volatile size_t too_large = SIZE_MAX - 8;
    CHECK(gca_rc_new(too_large, NULL) == NULL && errno == ENOMEM);
}

/* Counts of a thread's own and of others add up; whoever only sees a part of them does not answer yes. */
static void *release_one(void *object)
{
    CHECK(!gca_rc_is_unique(object));
    gca_release(object);
    return NULL;
}

static void test_unique(void)
{
    pthread_t thread;
    struct node *node = gca_retain(new_node());
    CHECK(!gca_rc_is_unique(NULL) && !gca_rc_is_unique(node));
    CHECK(pthread_create(&thread, NULL, release_one, node) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(gca_rc_is_unique(node) && gca_rc_count(node) == 1);
    size_t before = destroyed;
    gca_release(node);
    gca_finalize_run(); /* it may be in the inbox, for what the other one released */
    CHECK(destroyed == before + 1);
}

static void test_fields(void)
{
    size_t before = destroyed;
    struct node *first = new_node();
    {
        GCA_AUTO(struct node) second = new_node();
        gca_set(&first->next, second);
        gca_set(&first->next, second);
        CHECK(gca_rc_count(second) == 2);
    }
    CHECK(destroyed == before && gca_rc_count(first->next) == 1);
    struct node *taken = gca_steal(&first->next);
    CHECK(first->next == NULL && gca_rc_count(taken) == 1);
    gca_clear(&taken);
    gca_clear(&first);
    CHECK(taken == NULL && first == NULL && destroyed == before + 2);
}

static void test_order(void)
{
    size_t before = destroyed;
    struct node *parent = new_node();
    struct node *child = parent->next = new_node();
    parent->other = new_node();
    child->next = new_node();
    child->number = 2;
    child->next->number = 3;
    parent->other->number = 4;
    gca_release(parent);
    CHECK(destroyed == before + 4 && last_number == 4);
}

static NOINLINE void make_cycles(struct node *survivor, gca_weak_t *weak)
{
    for (int i = 0; i < HIDDEN_COUNT; i++) {
        struct node *one = new_node();
        struct node *two = new_node();
        gca_set(&one->next, two);
        gca_set(&two->next, one);
        gca_set(&one->other, survivor);
        two->plain = gca_malloc(24);
        CHECK(gca_weak_init(&weak[i], one) == 0);
        gca_release(one);
        gca_release(two);
    }
}

static void test_cycles(void)
{
    static gca_weak_t weak[HIDDEN_COUNT];
    size_t before = destroyed;
    size_t dead = 0;
    struct node *survivor = new_node();
    make_cycles(survivor, weak);
    CHECK(gca_rc_count(survivor) ==
          HIDDEN_COUNT + 1 - (destroyed - before) / 2); /* none, unless it collects all the time */
    collect_cleanly();
    size_t gone = destroyed - before;
    CHECK(gone >= 2 * ALL_BUT_STRAYS && gone <= 2 * HIDDEN_COUNT && gone % 2 == 0);
    CHECK(gca_rc_count(survivor) == HIDDEN_COUNT + 1 - gone / 2);
    for (int i = 0; i < HIDDEN_COUNT; i++) {
        struct node *one = gca_weak_get(&weak[i]);
        dead += one == NULL;
        gca_release(one);
    }
    CHECK(dead >= gone / 2);
    gca_release(survivor);
}

/* Nobody else has the weak references of two that are destroyed together. */
struct peer {
    struct peer *other;
    gca_weak_t weak;
};

static size_t peers_seen;

static void peer_destroy(void *object)
{
    struct peer *peer = object;
    struct peer *other = gca_weak_get(&peer->weak);
    atomic_fetch_add(&destroyed, 1);
    peers_seen += other != NULL;
    gca_release(other);
    gca_clear(&peer->other);
}

static const gca_type peer_type = {.name = "peer", .destroy = peer_destroy};

static NOINLINE void make_peers(void)
{
    struct peer *one = gca_rc_new(sizeof *one, &peer_type);
    struct peer *two = gca_rc_new(sizeof *two, &peer_type);
    gca_set(&one->other, two);
    gca_set(&two->other, one);
    CHECK(gca_weak_init(&one->weak, two) == 0 && gca_weak_init(&two->weak, one) == 0);
    gca_release(one);
    gca_release(two);
}

static void test_weak_peers(void)
{
    size_t before = destroyed;
    for (int i = 0; i < HIDDEN_COUNT; i++)
        make_peers();
    collect_cleanly();
    CHECK(destroyed - before >= 2 * ALL_BUT_STRAYS && peers_seen == 0);
}

#define COUNTERS 16
#define SLOTS_BEHIND 128 /* from where slots are handed out, a collection destroys nothing: two words of slots */

static struct node *held[COUNTERS];
static struct node *behind[SLOTS_BEHIND];
static pthread_barrier_t counters;

static NOINLINE void make_held(void)
{
    for (size_t i = 0; i < COUNTERS; i++) {
        struct node *other = new_node();
        held[i] = new_node();
        gca_set(&held[i]->next, other);
        gca_set(&other->next, held[i]);
        gca_release(other);
    }
    for (size_t i = 0; i < SLOTS_BEHIND; i++)
        behind[i] = new_node();
}

static NOINLINE void count_often(struct node *const *place)
{
    for (int i = 0; i < 200; i++) {
        gca_retain(*place);
        gca_release(*place);
    }
}

static void *count_and_stay(void *place)
{
    count_often(place);
    overwrite_stack();
    pthread_barrier_wait(&counters);
    pthread_barrier_wait(&counters);
    return NULL;
}

/* What a thread has counted last, and often, it keeps nothing of. */
static void test_counted_last(void)
{
    pthread_t threads[COUNTERS];
    size_t before = destroyed;
    pthread_barrier_init(&counters, NULL, COUNTERS + 1);
    make_held();
    for (size_t i = 0; i < COUNTERS; i++)
        CHECK(pthread_create(&threads[i], NULL, count_and_stay, &held[i]) == 0);
    pthread_barrier_wait(&counters);
    gca_finalize_run();
    for (size_t i = 0; i < COUNTERS; i++)
        gca_clear(&held[i]);
    collect_cleanly();
    CHECK(destroyed - before >= COUNTERS); /* the half of them: stacks hold old words too */
    pthread_barrier_wait(&counters);
    for (size_t i = 0; i < COUNTERS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < SLOTS_BEHIND; i++)
        gca_clear(&behind[i]);
}

static void test_weak(void)
{
    gca_weak_t first;
    gca_weak_t second;
    struct node *node = new_node();
    CHECK(gca_weak_init(&first, node) == 0 && gca_weak_init(&second, node) == 0);
    CHECK(gca_weak_get(&first) == node && gca_rc_count(node) == 2);
    gca_release(node);
    gca_weak_clear(&first);
    CHECK(gca_weak_get(&first) == NULL);
    collect_cleanly();
    CHECK(gca_weak_get(&second) == node);
    gca_release(node);
    gca_release(node);
    CHECK(gca_weak_get(&second) == NULL);
    CHECK(gca_weak_init(&first, NULL) == 0 && gca_weak_get(&first) == NULL);
}

/* More than the owner's part of the count holds. */
static void test_many_references(void)
{
    size_t before = destroyed;
    struct node *node = new_node();
    for (size_t i = 0; i < 200000; i++)
        gca_retain(node);
    CHECK(gca_rc_count(node) == 200001);
    for (size_t i = 0; i < 200000; i++)
        gca_release(node);
    CHECK(gca_rc_count(node) == 1 && destroyed == before);
    gca_release(node);
    CHECK(destroyed == before + 1);
}

static void test_immortal(void)
{
    size_t before = destroyed;
    struct node *node = new_node();
    gca_rc_make_immortal(node);
    for (int i = 0; i < 5; i++)
        gca_release(node);
    CHECK(destroyed == before && gca_rc_count(node) == SIZE_MAX && gca_retain(node) == node);
}

/* ---- Threads ------------------------------------------------------------------------------------------------------ */

#define THREADS 4
#define SHARED_OBJECTS 64
#define STEPS 100000

static struct shared {
    pthread_mutex_t lock;
    struct node *object;
    gca_weak_t weak;
} shared[SHARED_OBJECTS];
static atomic_size_t made;

/* Takes what is there, puts a new one or the same back: objects are made, retained and released by different threads. */
static void *exchange(void *argument)
{
    uint64_t state = (uint64_t)(uintptr_t)argument + 1;
    for (int i = 0; i < STEPS; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        struct shared *place = &shared[state >> 40 & (SHARED_OBJECTS - 1)];
        pthread_mutex_lock(&place->lock);
        struct node *object = gca_retain(place->object);
        struct node *weakly = gca_weak_get(&place->weak);
        CHECK(weakly == object);
        if (state >> 60 < 4) {
            struct node *fresh = new_node();
            atomic_fetch_add(&made, 1);
            gca_set(&fresh->other, object != NULL && object->other == NULL ? object : NULL);
            gca_set(&place->object, fresh);
            gca_weak_init(&place->weak, fresh);
            gca_release(fresh);
        }
        pthread_mutex_unlock(&place->lock);
        gca_release(weakly);
        CHECK(object == NULL || gca_rc_count(object) > 0);
        gca_release(object);
        if ((state >> 48) % 4096 == 0)
            gca_collect();
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[THREADS];
    size_t before = destroyed;
    for (size_t i = 0; i < SHARED_OBJECTS; i++)
        pthread_mutex_init(&shared[i].lock, NULL);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, exchange, (void *)i) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (size_t i = 0; i < SHARED_OBJECTS; i++)
        gca_clear(&shared[i].object);
    gca_finalize_run();
    CHECK(destroyed - before == made);
    for (size_t i = 0; i < SHARED_OBJECTS; i++)
        CHECK(gca_weak_get(&shared[i].weak) == NULL);
}

/* ---- Owners that are gone ------------------------------------------------------------------------------------------- */

static struct node *volatile given;
static atomic_bool may_end;

static void *make_and_wait(void *unused)
{
    (void)unused;
    given = new_node();
    while (!atomic_load(&may_end))
        sched_yield();
    return NULL;
}

/* The maker is not there to be asked: what others release last goes at once. */
static void test_owner_left_by_fork(void)
{
    pthread_t thread;
    int status = 1;
    CHECK(pthread_create(&thread, NULL, make_and_wait, NULL) == 0);
    while (given == NULL)
        sched_yield();
    pid_t child = fork();
    if (child == 0) {
        size_t before = destroyed;
        gca_release(given);
        _exit(destroyed != before + 1);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    atomic_store(&may_end, true);
    CHECK(pthread_join(thread, NULL) == 0);
    size_t before = destroyed;
    gca_release(given);
    CHECK(destroyed == before + 1);
}

int main(void)
{
    test_counts();
    test_unique();
    test_fields();
    test_order();
    test_cycles();
    test_weak_peers();
    test_counted_last();
    test_weak();
    test_many_references();
    test_immortal();
    test_threads();
    test_owner_left_by_fork();
    return check_result();
}
