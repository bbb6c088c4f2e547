/* SPDX-License-Identifier: MIT */
/* One release that ends ten million objects: on a stack of 64 KiB, a bounded number of them with each call, and none is left
 * over, whoever finishes.
 *
 *   gca_counted_steps [LENGTH]
 */
#include "check.h"

#include <gcalloc/rc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define LENGTH 10000000
#define STACK_BYTES ((size_t)64 << 10)
#define STEP_MAX 1000 /* alloc/counts/destroy.h */

struct node {
    struct node *next;
};

static size_t length;
static atomic_size_t destroyed;

static void node_destroy(void *object)
{
    struct node *node = object;
    atomic_fetch_add(&destroyed, 1);
    gca_clear(&node->next);
}

static const size_t node_offsets[] = {offsetof(struct node, next)};
static const gca_layout node_layout = {sizeof(struct node), 1, node_offsets};
static const gca_type node_type = {.name = "node", .destroy = node_destroy, .layout = &node_layout};
static const gca_type plain_type = {.name = "plain"};

static struct node *make_list(size_t count)
{
    struct node *list = NULL;
    for (size_t i = 0; i < count; i++) {
        struct node *node = gca_rc_new(sizeof *node, &node_type);
        CHECK(node != NULL);
        node->next = list;
        list = node;
    }
    return list;
}

/* Each call of these goes on, and none by more than a step. */
static void go_on(size_t i)
{
    size_t before = destroyed;
    void *object = gca_rc_new(16, &plain_type);
    CHECK(destroyed - before <= STEP_MAX);
    if (i % 2 == 0)
        before = destroyed;
    gca_release(object);
    CHECK(destroyed - before <= STEP_MAX + STEP_MAX * (i % 2));
}

static void *release_in_steps(void *unused)
{
    struct node *list = make_list(length);
    size_t before = destroyed;
    gca_release(list);
    CHECK(destroyed - before <= STEP_MAX && destroyed > before);
    size_t calls = 0;
    for (; destroyed - before < length && calls < length; calls++)
        go_on(calls);
    CHECK(destroyed - before == length && calls <= length / STEP_MAX + 2);
    return unused;
}

static void *release_only(void *list)
{
    gca_release(list);
    return NULL;
}

static void on_small_stack(void *(*run)(void *list), void *list)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
    CHECK(pthread_create(&thread, &attributes, run, list) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
}

static size_t finish_by_run(void)
{
    return gca_finalize_run();
}

static size_t finish_by_collection(void)
{
    gca_enable();
    gca_collect();
    gca_disable();
    return destroyed;
}

static void test_finish(size_t (*finish)(void))
{
    size_t before = destroyed;
    gca_release(make_list(length / 10));
    CHECK(destroyed - before == STEP_MAX);
    CHECK(finish() != 0);
    CHECK(destroyed - before == length / 10);
}

/* A thread that ends leaves nothing. */
static void *release_and_end(void *list)
{
    size_t before = destroyed;
    gca_release(make_list(length / 10));
    CHECK(destroyed - before == STEP_MAX);
    return list;
}

/* Its first contact with the library is the last release of another thread's object. */
static void *release_untouched(void *objects)
{
    struct node **nodes = objects;
    for (size_t i = 0; i < 100; i++)
        gca_release(nodes[i]);
    return NULL;
}

static void *make_for_others(void *objects)
{
    struct node **nodes = objects;
    for (size_t i = 0; i < 200; i++) {
        nodes[i] = make_list(2);
        nodes[i]->next->next = (void *)nodes;
    }
    return NULL;
}

/* Its neighbours are as they were. */
static void test_release_by_fresh_thread(void)
{
    static struct node *nodes[200];
    struct node *kept[200];
    size_t before = destroyed;
    on_small_stack(make_for_others, nodes);
    for (size_t i = 0; i < 200; i++) {
        kept[i] = gca_retain(nodes[i]->next);
        kept[i]->next = (void *)&kept[i];
    }
    on_small_stack(release_untouched, nodes);
    CHECK(destroyed - before == 100);
    for (size_t i = 0; i < 200; i++) {
        CHECK(kept[i]->next == (void *)&kept[i] && gca_rc_count(kept[i]) == (i < 100 ? 1 : 2));
        kept[i]->next = NULL;
        gca_release(kept[i]);
    }
    for (size_t i = 100; i < 200; i++)
        gca_release(nodes[i]);
    CHECK(destroyed - before == 400);
}

/* One object that ends many at once is a step too. */
struct wide {
    struct node *nodes[5 * STEP_MAX];
};

static void wide_destroy(void *object)
{
    struct wide *wide = object;
    for (size_t i = 0; i < 5 * STEP_MAX; i++)
        gca_clear(&wide->nodes[i]);
}

static void test_wide(void)
{
    static const gca_type wide_type = {.name = "wide", .destroy = wide_destroy};
    struct wide *wide = gca_rc_new(sizeof *wide, &wide_type);
    size_t before = destroyed;
    for (size_t i = 0; i < 5 * STEP_MAX; i++)
        wide->nodes[i] = make_list(1);
    gca_release(wide);
    CHECK(destroyed - before == STEP_MAX - 1);
    gca_release(make_list(1));
    CHECK(destroyed - before <= 3 * STEP_MAX); /* one step each */
    gca_finalize_run();
    CHECK(destroyed - before == 5 * STEP_MAX + 1);
}

/* Many that wait for one thread, ended by another. */
#define LISTS 20
#define LISTS_LENGTH (STEP_MAX / 2)

static void *release_lists(void *lists)
{
    for (size_t i = 0; i < LISTS; i++)
        gca_release(((struct node **)lists)[i]);
    return NULL;
}

static void test_inbox(void)
{
    static struct node *lists[LISTS];
    size_t before = destroyed;
    for (size_t i = 0; i < LISTS; i++)
        lists[i] = make_list(LISTS_LENGTH);
    on_small_stack(release_lists, lists);
    CHECK(destroyed == before);
    size_t calls = 0;
    for (; destroyed - before < LISTS * LISTS_LENGTH && calls <= LISTS; calls++) {
        size_t before_call = destroyed;
        gca_rc_make_immortal(gca_rc_new(16, &plain_type));
        CHECK(destroyed - before_call <= STEP_MAX);
    }
    CHECK(destroyed - before == LISTS * LISTS_LENGTH && calls == LISTS * LISTS_LENGTH / STEP_MAX);
}

/* Cycles that a collection in the middle of the program has found, all one batch: in steps too, first all destroy functions,
 * then the memory, whoever goes on. */
#define PAIRS (25 * STEP_MAX)
#define KEPT_MAX STEP_MAX /* pairs that words left somewhere, and places where the next objects come, may keep */

static struct node *one_of_pairs; /* complemented */

static NOINLINE void drop_pairs(void)
{
    for (size_t i = 0; i < PAIRS; i++) {
        struct node *one = make_list(2);
        one->next->next = gca_retain(one);
        if (i == PAIRS / 2)
            one_of_pairs = (struct node *)~(uintptr_t)one;
        gca_release(one);
    }
}

static uint64_t collections(void)
{
    struct gca_stats stats = {.size = sizeof stats};
    gca_stats_get(&stats);
    return stats.cycles;
}

/* gca_collect would finish what it finds. */
static NOINLINE void collect_by_growth(void)
{
    uint64_t before = collections();
    overwrite_stack();
    gca_enable();
    while (collections() == before)
        (void)unknown(gca_malloc_atomic(64 << 10));
    gca_disable();
}

static void *go_on_with_batch(void *unused)
{
    gca_rc_make_immortal(gca_rc_new(16, &plain_type)); /* becomes an owner */
    for (int i = 0; i < 4; i++) {
        size_t before = destroyed;
        gca_rc_make_immortal(gca_rc_new(16, &plain_type));
        CHECK(destroyed - before <= STEP_MAX);
    }
    return unused;
}

static void test_batch(void)
{
    drop_pairs();
    size_t before = destroyed;
    collect_by_growth();
    CHECK(destroyed == before);
    for (size_t before_call = before - 1, calls = 0; destroyed != before_call; calls++) {
        if (destroyed - before < 2 * (PAIRS - KEPT_MAX)) /* the memory of all is there */
            CHECK(gca_rc_type((void *)~(uintptr_t)one_of_pairs) == &node_type);
        if (calls == 3)
            on_small_stack(go_on_with_batch, NULL);
        before_call = destroyed;
        gca_rc_make_immortal(gca_rc_new(16, &plain_type));
        CHECK(destroyed - before_call <= STEP_MAX);
    }
    CHECK(destroyed - before >= 2 * (PAIRS - KEPT_MAX) && destroyed - before <= 2 * PAIRS);
    before = destroyed;
    CHECK(gca_finalize_run() == 0 && destroyed == before);
}

/* Far more references of others than the count holds. */
#define TOO_MANY 70000000

static void *retain_too_often(void *object)
{
    for (size_t i = 0; i < TOO_MANY; i++)
        gca_retain(object);
    CHECK(gca_rc_count(object) == SIZE_MAX);
    for (size_t i = 0; i < 100; i++)
        gca_release(object);
    return NULL;
}

static void test_overflow(void)
{
    size_t before = destroyed;
    struct node *node = make_list(1);
    on_small_stack(retain_too_often, node);
    CHECK(gca_rc_count(node) == SIZE_MAX);
    for (size_t i = 0; i < 10; i++)
        gca_release(node);
    gca_weak_t weak;
    CHECK(gca_weak_init(&weak, node) == 0 && gca_weak_get(&weak) == node && destroyed == before);
}

int main(int count, char **words)
{
    length = count > 1 ? strtoull(words[1], NULL, 0) : LENGTH;
    gca_disable(); /* none of this is a collection's work */
    on_small_stack(release_in_steps, NULL);
    size_t before = destroyed;
    on_small_stack(release_only, make_list(length)); /* the thread did not make it: its owner looks for it */
    gca_finalize_run();
    CHECK(destroyed - before == length);
    test_finish(finish_by_run);
    test_finish(finish_by_collection);
    before = destroyed;
    on_small_stack(release_and_end, NULL);
    CHECK(destroyed - before == length / 10);
    test_release_by_fresh_thread();
    test_wide();
    test_inbox();
    test_batch();
    test_overflow();
    return check_result();
}
