/* SPDX-License-Identifier: MIT */
/* Children of fork that begin in the middle of something that threads of the parent were doing. */
#include <gcalloc.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "collect/cycle.h"
#include "heap/cache.h"
#include "heap/resolve.h"
#include "support.h"
#include "world/critical.h"
#include "world/stop.h"
#include "world/thread.h"

#define DEADLINE_NS UINT64_C(20000000000)

static volatile int is_inside;
static volatile int may_leave;

static void *try_to_stop(void *was_stopped)
{
    *(bool *)was_stopped = gci_world_stop(20000000);
    if (*(bool *)was_stopped)
        gci_world_restart();
    return NULL;
}

/* Its thread has another id than the one that has forked. */
START_TEST(a_critical_section_of_a_child_is_not_stopped)
{
    int status;
    gca_disable();
    gca_free(gca_malloc(1));
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        bool was_stopped = false;
        critical_enter();
        pthread_create(&thread, NULL, try_to_stop, &was_stopped);
        pthread_join(thread, NULL);
        critical_leave();
        _exit(was_stopped);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

static void *stop_and_restart(void *unused)
{
    ck_assert(gci_world_stop(DEADLINE_NS));
    gci_world_restart();
    return unused;
}

/* In the middle of a slow path, which another thread that stops the world waits for. */
START_TEST(a_child_is_not_stopped_by_whom_it_does_not_have)
{
    pthread_t thread;
    int status = -1;
    gca_disable();
    gca_free(gca_malloc(1));
    critical_enter();
    ck_assert_int_eq(pthread_create(&thread, NULL, stop_and_restart, NULL), 0);
    while (gci_world_generation() % 2 == 0)
        sched_yield();
    pid_t child = fork();
    if (child == 0)
        _exit(gci_world_generation() % 2 != 0);
    critical_leave();
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

static void *keep_registry(void *unused)
{
    gca_free(gca_malloc(1)); /* its own record is given back in the child */
    gci_thread_lock_registry();
    is_inside = 1;
    while (!may_leave)
        sched_yield();
    gci_thread_unlock_registry();
    return unused;
}

/* A record was about to change hands. */
START_TEST(a_child_does_not_wait_for_the_registry)
{
    pthread_t thread;
    int status = -1;
    gca_disable();
    gca_free(gca_malloc(1));
    ck_assert_int_eq(pthread_create(&thread, NULL, keep_registry, NULL), 0);
    while (!is_inside)
        sched_yield();
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    may_leave = 1;
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static volatile u32_shared holds_off;

static void *hold_off(void *unused)
{
    ck_assert(gci_cycle_hold_off());
    u32_store_release(&holds_off, 1);
    while (u32_load_acquire(&holds_off) != 2)
        sched_yield();
    gci_cycle_let_on();
    return unused;
}

/* It was about to call exec when the other forked. */
START_TEST(a_child_collects_though_a_thread_of_its_parents_did_not_let_it)
{
    pthread_t thread;
    int status = -1;
    gca_free(gca_malloc(1));
    ck_assert_int_eq(pthread_create(&thread, NULL, hold_off, NULL), 0);
    while (u32_load_acquire(&holds_off) == 0)
        sched_yield();
    uint64_t before = gci_cycle_count();
    gca_collect();
    ck_assert_uint_eq(gci_cycle_count(), before);
    pid_t child = fork();
    if (child == 0) {
        gca_collect();
        _exit(gci_cycle_count() == before);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    u32_store_release(&holds_off, 2);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

#define LITTLE 500

static bool is_of_a_cache_in_use(const void *block)
{
    uint32_t unit = gci_resolve(&gci_heap, (uintptr_t)block).unit;
    uint32_t owner = block_owner(block_at(&gci_heap, unit));
    return owner != OWNER_NONE && gci_cache_by_id(&gci_heap, owner)->is_in_use;
}

/* At its end, when it has no cache any more. */
static void *fork_without_a_cache(void *unused)
{
    int status = -1;
    gca_free(gca_malloc(1));
    critical_enter();
    gci_thread_detach();
    critical_leave();
    ck_assert(is_of_a_cache_in_use(gca_malloc_atomic(LITTLE)));
    pid_t child = fork();
    if (child == 0)
        _exit(!is_of_a_cache_in_use(gca_malloc_atomic(LITTLE)));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    return unused;
}

START_TEST(threads_without_a_cache_share_a_new_one_in_a_child)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, fork_without_a_cache, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

MAKE_SUITE(forks, a_critical_section_of_a_child_is_not_stopped, a_child_is_not_stopped_by_whom_it_does_not_have,
           a_child_does_not_wait_for_the_registry, a_child_collects_though_a_thread_of_its_parents_did_not_let_it,
           threads_without_a_cache_share_a_new_one_in_a_child)
