/* SPDX-License-Identifier: MIT */
/* The option finalizer_thread: what is due runs on a thread of the library's own, whatever the program does meanwhile. */
#include "check.h"

#include <gcalloc/rc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_t main_thread;
static atomic_size_t finalized;
static atomic_size_t finalized_by_main;
static atomic_size_t destroyed;
static atomic_bool holds; /* finalizers do not return */
static atomic_bool is_held;
static atomic_bool ends_thread;

static void pause_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0)
        continue;
}

static void finalize(void *object, void *data)
{
    (void)object;
    (void)data;
    atomic_fetch_add(&finalized, 1);
    if (pthread_equal(pthread_self(), main_thread))
        atomic_fetch_add(&finalized_by_main, 1);
    while (atomic_load(&holds)) {
        atomic_store(&is_held, true);
        pause_ms(1);
    }
    if (atomic_exchange(&ends_thread, false))
        pthread_exit(NULL);
}

struct node {
    struct node *other;
};

static void node_destroy(void *object)
{
    CHECK(!pthread_equal(pthread_self(), main_thread));
    atomic_fetch_add(&destroyed, 1);
    gca_clear(&((struct node *)object)->other);
}

static const gca_type node_type = {.name = "node", .destroy = node_destroy};

static NOINLINE void drop_blocks(void)
{
    for (int i = 0; i < HIDDEN_COUNT; i++)
        CHECK(gca_finalizer_set(gca_malloc(32), finalize, NULL) == 0);
}

static NOINLINE void drop_cycles(void)
{
    for (int i = 0; i < HIDDEN_COUNT; i++) {
        struct node *one = gca_rc_new(sizeof *one, &node_type);
        struct node *two = gca_rc_new(sizeof *two, &node_type);
        gca_set(&one->other, two);
        gca_set(&two->other, one);
        gca_release(one);
        gca_release(two);
    }
}

/* Ten seconds are far more than it takes. */
static bool comes_to(const atomic_size_t *count, size_t wanted)
{
    for (int i = 0; i < 10000 && atomic_load(count) < wanted; i++)
        pause_ms(1);
    return atomic_load(count) >= wanted;
}

static bool runs_elsewhere(void)
{
    size_t before = finalized;
    drop_blocks();
    collect_cleanly();
    return comes_to(&finalized, before + ALL_BUT_STRAYS) && finalized_by_main == 0;
}

static void test_cycles(void)
{
    size_t before = destroyed;
    drop_cycles();
    collect_cleanly();
    CHECK(comes_to(&destroyed, before + 2 * ALL_BUT_STRAYS));
}

/* Collections of malloc's own are enough. */
static void test_growth(void)
{
    size_t before = finalized;
    drop_blocks();
    for (int i = 0; i < 40000 && finalized - before < ALL_BUT_STRAYS; i++)
        memset(unknown(gca_malloc(16384)), 1, 16384);
    CHECK(comes_to(&finalized, before + ALL_BUT_STRAYS) && finalized_by_main == 0);
}

/* A finalizer that takes its time is in nobody's way. */
static void test_held(void)
{
    size_t before = finalized;
    atomic_store(&holds, true);
    drop_blocks();
    collect_cleanly();
    for (int i = 0; i < 10000 && !atomic_load(&is_held); i++)
        pause_ms(1);
    CHECK(atomic_load(&is_held));
    size_t at_hold = finalized;
    size_t cycles = 0;
    for (int i = 0; i < 10; i++)
        cycles += gca_collect() > 0 || gca_malloc(100) != NULL;
    CHECK(cycles == 10);
    struct node *node = gca_rc_new(sizeof *node, NULL);
    gca_release(node);
    CHECK(finalized == at_hold && finalized_by_main == 0);
    atomic_store(&holds, false);
    CHECK(comes_to(&finalized, before + ALL_BUT_STRAYS));
}

static void test_thread_ended_by_finalizer(void)
{
    size_t before = finalized;
    atomic_store(&ends_thread, true);
    drop_blocks();
    collect_cleanly();
    CHECK(comes_to(&finalized, before + 1));
    for (int i = 0; i < 10000 && finalized - before < ALL_BUT_STRAYS; i++) {
        gca_finalizer_set(gca_malloc(16), finalize, NULL); /* starts another, which sees to the rest */
        pause_ms(1);
    }
    CHECK(finalized - before >= ALL_BUT_STRAYS);
    finalized_by_main = 0; /* where the thread had ended before gca_collect looked */
    CHECK(runs_elsewhere());
}

static void test_fork(void)
{
    int status = 1;
    pid_t child = fork();
    if (child == 0)
        _exit(!runs_elsewhere() || check_failures != 0);
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

/* It ends when it is not wanted any more: what is due runs where it always did. */
static void test_off(void)
{
    size_t before = finalized;
    CHECK(gca_option_set("finalizer_thread", "0") == 0);
    for (int i = 0; i < 10000 && finalized_by_main == 0; i++) {
        drop_blocks();
        collect_cleanly();
        pause_ms(1);
    }
    CHECK(finalized > before && finalized_by_main > 0);
    finalized_by_main = 0;
}

int main(void)
{
    main_thread = pthread_self();
    CHECK(gca_option_set("finalizer_thread", "1") == 0);
    CHECK(runs_elsewhere());
    test_cycles();
    test_growth();
    test_held();
    test_thread_ended_by_finalizer();
    test_fork();
    for (int i = 0; i < 20; i++) {
        test_off();
        CHECK(gca_option_set("finalizer_thread", "1") == 0 && runs_elsewhere());
    }
    size_t by_hand = finalized;
    drop_blocks();
    overwrite_stack();
    gca_collect();
    gca_finalize_run(); /* takes part */
    CHECK(comes_to(&finalized, by_hand + ALL_BUT_STRAYS));
    return check_result(); /* and the process ends while it is there */
}
