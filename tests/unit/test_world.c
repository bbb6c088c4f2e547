/* SPDX-License-Identifier: MIT */
/* The stop protocol on the real process: while the world is stopped nothing moves, whoever is being born or is ending. */
#include <errno.h>
#include <gcalloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/options.h"
#include "collect/cycle.h"
#include "platform/stop.h"
#include "platform/thread.h"
#include "support.h"
#include "world/critical.h"
#include "world/idle.h"
#include "world/request.h"
#include "world/stop.h"
#include "world/thread.h"

#define COUNTERS 4
#define ROUNDS 300
#define DEADLINE_NS UINT64_C(20000000000)

static volatile uint64_t counters[COUNTERS];
static volatile int done;

static void wait_a_little(long nanoseconds)
{
    struct timespec time = {0, nanoseconds};
    nanosleep(&time, NULL);
}

static void *count_up(void *counter)
{
    while (!done)
        ++*(volatile uint64_t *)counter;
    return NULL;
}

static void *count_and_allocate(void *counter)
{
    while (!done) {
        void *block = gca_malloc(100 + *(volatile uint64_t *)counter % 1000);
        ++*(volatile uint64_t *)counter;
        gca_free(block);
    }
    return NULL;
}

static void *sleep_and_count(void *counter)
{
    struct timespec time = {0, 100000};
    while (!done) {
        nanosleep(&time, NULL);
        ++*(volatile uint64_t *)counter;
    }
    return NULL;
}

static void *end_at_once(void *counter)
{
    gca_free(gca_malloc(10));
    ++*(volatile uint64_t *)counter;
    return NULL;
}

static void *give_birth(void *counter)
{
    while (!done) {
        pthread_t child;
        if (pthread_create(&child, NULL, end_at_once, counter) == 0)
            pthread_join(child, NULL);
    }
    return NULL;
}

static void check_standstill(void)
{
    uint64_t before[COUNTERS];
    for (int i = 0; i < COUNTERS; i++)
        before[i] = counters[i];
    for (volatile int i = 0; i < 20000; i++)
        ;
    for (int i = 0; i < COUNTERS; i++)
        ck_assert_uint_eq(counters[i], before[i]);
}

START_TEST(nothing_moves_in_a_stopped_world)
{
    void *(*const jobs[COUNTERS])(void *) = {count_up, count_and_allocate, sleep_and_count, give_birth};
    pthread_t threads[COUNTERS];
    gca_disable(); /* the only collector is this test */
    for (int i = 0; i < COUNTERS; i++)
        pthread_create(&threads[i], NULL, jobs[i], (void *)(uintptr_t)&counters[i]);
    for (int i = 0; i < COUNTERS; i++)
        while (counters[i] == 0)
            sched_yield();
    for (int round = 0; round < ROUNDS; round++) {
        ck_assert(gci_world_stop(DEADLINE_NS));
        check_standstill();
        gci_world_restart();
        sched_yield();
    }
    done = 1;
    for (int i = 0; i < COUNTERS; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

static volatile int is_inside;
static volatile int may_leave;

static void *stay_in_section(void *data)
{
    (void)data;
    gca_free(gca_malloc(1));
    critical_enter();
    is_inside = 1;
    while (!may_leave)
        sched_yield();
    critical_leave();
    return NULL;
}

START_TEST(a_critical_section_is_not_stopped)
{
    pthread_t thread;
    gca_disable();
    pthread_create(&thread, NULL, stay_in_section, NULL);
    while (!is_inside)
        sched_yield();
    ck_assert(!gci_world_stop(20000000));
    may_leave = 1;
    ck_assert(gci_world_stop(DEADLINE_NS));
    gci_world_restart();
    pthread_join(thread, NULL);
}
END_TEST

#define LARGE_UNITS 2200 /* the bitmaps of so many are given back after a collection (heap/sweep.c) */
#define SLOT_BYTES 3000

static void **kept_of_each;

/* One of each block's objects lives, the others do not. */
static __attribute__((noinline)) void make_holes(void)
{
    kept_of_each = gca_malloc(LARGE_UNITS * sizeof *kept_of_each);
    for (int i = 0; i < LARGE_UNITS; i++) {
        kept_of_each[i] = gca_malloc_atomic(SLOT_BYTES);
        for (unsigned n = 1; n < BLOCK_BYTES / SLOT_BYTES; n++)
            ck_assert_ptr_nonnull(gca_malloc_atomic(SLOT_BYTES));
    }
}

static uint64_t reclaimed_in(const void *block)
{
    uint32_t unit = (uint32_t)(((uintptr_t)block - gci_heap.base) >> BLOCK_SHIFT);
    return block_at(&gci_heap, unit)->has_reclaimed ? gci_heap.meta.scan[unit][0] : 0;
}

/* What a use of a freed object is told of. */
START_TEST(a_collection_that_is_given_up_leaves_what_the_last_one_has_reclaimed)
{
    pthread_t thread;
    gca_disable();
    make_holes();
    gca_enable();
    gca_collect();
    uint64_t reclaimed = reclaimed_in(kept_of_each[LARGE_UNITS / 2]);
    ck_assert_uint_ne(reclaimed, 0);
    gca_disable(); /* another one would find nothing to reclaim */
    pthread_create(&thread, NULL, stay_in_section, NULL);
    while (!is_inside)
        sched_yield();
    gca_enable();
    gci_options.stop_deadline_ms = 20;
    gca_collect();
    ck_assert_uint_ge(gci_cycle_totals.given_up, 1);
    ck_assert_uint_eq(reclaimed_in(kept_of_each[LARGE_UNITS / 2]), reclaimed);
    may_leave = 1;
    pthread_join(thread, NULL);
}
END_TEST

static volatile int handled;
static volatile int has_left;

static void count_signal(int signal)
{
    (void)signal;
    handled = 1;
}

static void *leave_when_asked_to_stop(void *data)
{
    critical_enter();
    is_inside = 1;
    while (!gci_critical.stop_is_pending)
        sched_yield();
    critical_leave();
    has_left = 1;
    while (!done)
        sched_yield();
    return data;
}

START_TEST(no_handler_runs_in_a_stopped_world)
{
    pthread_t thread;
    is_inside = handled = has_left = done = 0;
    signal(SIGUSR1, count_signal);
    gca_disable();
    pthread_create(&thread, NULL, leave_when_asked_to_stop, NULL);
    while (!is_inside)
        sched_yield();
    ck_assert(gci_world_stop(DEADLINE_NS));
    ck_assert(!has_left);
    pthread_kill(thread, SIGUSR1);
    for (int i = 0; i < 100; i++)
        sched_yield();
    ck_assert(!handled);
    gci_world_restart();
    while (!handled)
        sched_yield();
    done = 1;
    pthread_join(thread, NULL);
}
END_TEST

static int wake_up[2];
static volatile uint64_t woken;

static void *sleep_deaf(void *data)
{
    uint64_t all = ~UINT64_C(0);
    char byte;
    (void)data;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all);
    is_inside = 1;
    while (read(wake_up[0], &byte, 1) == 1) {
        gca_free(gca_malloc(100));
        woken++;
    }
    return NULL;
}

START_TEST(a_deaf_sleeper_is_passed_by_until_it_comes_to_the_heap)
{
    pthread_t thread;
    is_inside = 0;
    gca_disable();
    counters[0] = 0; /* a thread that the heap knew has had the record before */
    pthread_create(&thread, NULL, end_at_once, (void *)(uintptr_t)&counters[0]);
    pthread_join(thread, NULL);
    ck_assert_int_eq(pipe(wake_up), 0);
    pthread_create(&thread, NULL, sleep_deaf, NULL);
    while (!is_inside)
        sched_yield();
    for (uint64_t round = 0; round < 100; round++) {
        ck_assert(gci_world_stop(DEADLINE_NS));
        ck_assert(!gci_world_is_alone());
        ck_assert_int_eq(write(wake_up[1], "", 1), 1);
        wait_a_little(round == 0 ? 20000000 : 100000);
        ck_assert_uint_eq(woken, round);
        gci_world_restart();
        while (woken == round)
            sched_yield();
    }
    close(wake_up[1]);
    pthread_join(thread, NULL);
}
END_TEST

static void *end_process_leader(void *data)
{
    pthread_t leader = *(pthread_t *)data;
    pthread_join(leader, NULL);
    for (int i = 0; i < 5; i++)
        if (!gci_world_stop(DEADLINE_NS))
            _exit(1);
        else
            gci_world_restart();
    _exit(0);
}

START_TEST(an_ended_leader_is_not_waited_for)
{
    static pthread_t self;
    pthread_t thread;
    gca_disable();
    self = pthread_self();
    pthread_create(&thread, NULL, end_process_leader, &self);
    pthread_exit(NULL);
}
END_TEST

START_TEST(who_stops_the_world_goes_on)
{
    pthread_t thread;
    counters[0] = 0;
    done = 0;
    gca_disable();
    gca_free(gca_malloc(1));
    pthread_create(&thread, NULL, count_up, (void *)(uintptr_t)&counters[0]);
    for (int round = 0; round < 100; round++) {
        ck_assert(gci_world_stop(DEADLINE_NS));
        ck_assert_int_eq(gci_stop_send(gci_thread_id()), 0); /* a tick that asks it for something may come now */
        ck_assert(critical_is_inside());
        gci_world_restart();
        ck_assert(!critical_is_inside());
        ck_assert(!gci_critical.stop_is_pending);
    }
    done = 1;
    pthread_join(thread, NULL);
}
END_TEST

static volatile u32_shared forks_end;

static void fork_once(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

/* As in a handler of the program that came in the middle of malloc. */
static void *fork_inside(void *data)
{
    while (u32_load(&forks_end) == 0) {
        critical_enter();
        fork_once();
        critical_leave();
    }
    return data;
}

START_TEST(a_fork_in_a_handler_leaves_other_forks_alone)
{
    pthread_t thread;
    gca_free(gca_malloc(1));
    pthread_create(&thread, NULL, fork_inside, NULL);
    for (int i = 0; i < 500; i++)
        fork_once();
    u32_store(&forks_end, 1);
    pthread_join(thread, NULL);
    gca_collect(); /* the locks are free */
}
END_TEST

START_TEST(a_signal_that_cannot_be_taken_leaves_the_one_before)
{
    gca_free(gca_malloc(1));
    ck_assert_int_eq(gci_stop_take_order(SIGUSR1), 0);
    ck_assert_int_eq(gci_stop_take_order(SIGKILL), EINVAL);
    ck_assert_int_eq(gci_stop_order_signal(), SIGUSR1);
}
END_TEST

static unsigned served;

static bool serve(const struct roots_caller *caller)
{
    (void)caller;
    served++;
    return gci_request_take();
}

/* Whoever has it looks for requests that came meanwhile: the handler did not wait. */
START_TEST(a_request_beside_a_collection_is_served_after_it)
{
    gca_free(gca_malloc(1));
    gci_request_init(serve);
    gci_cycle_lock();
    gci_request_note();
    gci_cycle_unlock();
    ck_assert_uint_eq(served, 1);
}
END_TEST

static int asked;

static void ask_oneself(void)
{
    asked++;
    ck_assert_int_eq(gci_stop_send(gci_thread_id()), 0);
}

/* While the thread gives memory back the signal is only noted, and a tick that has something to give back notes what is given. */
START_TEST(a_stop_that_comes_during_a_tick_is_answered)
{
    void *runs[KEPT_UNITS_MAX];
    gca_disable();
    for (unsigned i = 0; i < KEPT_UNITS_MAX; i++)
        runs[i] = gca_malloc_atomic(BLOCK_BYTES);
    for (unsigned i = 0; i < KEPT_UNITS_MAX; i++)
        gca_free(runs[i]);
    ck_assert_uint_eq(u32_load(&gci_cache_self.cache->shelf.units), KEPT_UNITS_MAX);
    gci_heap.on_worth = ask_oneself;
    for (int tick = 0; tick < 2; tick++) { /* the first finds the shelf fresh */
        gci_idle_note_tick();
        gci_world_answer_stop();
    }
    ck_assert_uint_eq(u32_load(&gci_cache_self.cache->shelf.units), 0);
    ck_assert_int_gt(asked, 0);
    ck_assert(!gci_critical.stop_is_pending);
}
END_TEST

static volatile int interruptions;

static void fail_in_handler(const struct interruption *interruption)
{
    (void)interruption;
    interruptions++;
    errno = ENOTDIR;
}

/* Whatever the handler does. */
START_TEST(errno_stays_across_a_handler)
{
    gca_free(gca_malloc(1));
    ck_assert_int_eq(gci_stop_install(gci_stop_signal(), fail_in_handler), 0);
    errno = EDOM;
    syscall(SYS_tgkill, getpid(), gettid(), gci_stop_signal());
    ck_assert_int_eq(interruptions, 1);
    ck_assert_int_eq(errno, EDOM);
}
END_TEST

/* ---- The registry --------------------------------------------------------------------------------------------------- */

static struct {
    uint32_t id;
    const struct cache *cache;
    uint32_t small, large; /* units */
} vanished;

static uint32_t unit_of(const void *block)
{
    return (uint32_t)(((uintptr_t)block - gci_heap.base) >> BLOCK_SHIFT);
}

static void *keep_memory_and_vanish(void *small)
{
    void *large = gca_malloc_atomic(2 * (size_t)BLOCK_BYTES);
    *(void **)small = gca_malloc_atomic(100);
    vanished.id = gci_thread_id();
    vanished.cache = gci_cache_self.cache;
    vanished.small = unit_of(*(void **)small);
    vanished.large = unit_of(large);
    gca_free(large);
    syscall(SYS_exit, 0);
    return NULL;
}

/* The kernel gives ids in a circle; here the record is told that it has come round. NULL: it is not there. */
static void *come_with_its_id(void *data)
{
    struct thread *record = gci_thread_find(vanished.id);
    if (record == NULL || gci_thread_self != NULL)
        return NULL;
    u32_store(&record->id, gci_thread_id());
    gca_free(gca_malloc(1));
    return gci_thread_self != NULL && u32_load(&gci_thread_self->id) == gci_thread_id() ? data : NULL;
}

START_TEST(a_thread_with_the_id_of_one_that_vanished_leaves_nothing_of_it_owned)
{
    void *small = NULL;
    void *result = NULL;
    pthread_t thread;
    pthread_attr_t attributes;
    /* A stack of ours, which the next thread does not get: a sanitizer would find there what the first has left behind. */
    static char own_stack[1 << 20] __attribute__((aligned(4096)));
    pthread_attr_init(&attributes);
    ck_assert_int_eq(pthread_attr_setstack(&attributes, own_stack, sizeof own_stack), 0);
    gca_disable();
    gca_free(gca_malloc(1));
    pthread_create(&thread, &attributes, keep_memory_and_vanish, (void *)&small);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(block_owner(block_at(&gci_heap, vanished.small)), vanished.cache->id);
    ck_assert_uint_eq(u32_load(&vanished.cache->shelf.units), 2);
    pthread_create(&thread, NULL, come_with_its_id, (void *)&small);
    pthread_join(thread, &result);
    ck_assert_ptr_eq(result, (void *)&small);
    ck_assert_uint_eq(block_owner(block_at(&gci_heap, vanished.small)), OWNER_NONE);
    ck_assert_uint_eq(u32_load(&vanished.cache->shelf.units), 0);
    ck_assert_uint_eq(gci_heap.meta.hot[vanished.large].use, UNIT_FREE);
    ck_assert(!vanished.cache->is_in_use);
    gca_free(small);
    pthread_attr_destroy(&attributes);
}
END_TEST

/* The system has given it the id of a thread that a stop has found ended, and of which nobody else has heard. */
static void *attach_under_a_used_id(void *unused)
{
    gci_thread_lock_registry();
    struct thread *thread = gci_thread_find_or_add_locked(gci_thread_id());
    thread->has_ended = true;
    gci_thread_unlock_registry();
    gca_free(gca_malloc(1));
    ck_assert_ptr_eq(gci_thread_self, thread);
    ck_assert(!thread->has_ended);
    return unused;
}

START_TEST(a_thread_with_the_id_of_an_ended_one_has_not_ended)
{
    pthread_t thread;
    gca_disable();
    ck_assert_int_eq(pthread_create(&thread, NULL, attach_under_a_used_id, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* ---- Without locals of its own ---------------------------------------------------------------------------------------- */

static int count_as_another(void *counter)
{
    while (!done)
        ++*(volatile uint64_t *)counter;
    return 0;
}

/* As a program makes threads that calls clone itself: this one has the thread-local data of the thread that made it, which is
 * stopped as another. */
START_TEST(a_thread_with_anothers_locals_is_stopped_as_itself)
{
    static char stack[1 << 16] __attribute__((aligned(16)));
    static volatile pid_t id = 1;
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
    counters[0] = 0;
    gca_free(gca_malloc(1));
    ck_assert_int_gt(
        clone(count_as_another, stack + sizeof stack, flags, (void *)(uintptr_t)&counters[0], NULL, NULL, &id), 0);
    while (counters[0] == 0)
        sched_yield();
    for (int i = 0; i < 20; i++) {
        ck_assert(gci_world_stop(DEADLINE_NS));
        ck_assert_uint_ne(u32_load(&gci_thread_self->stopped_in), gci_world_generation());
        uint64_t before = counters[0];
        for (volatile int k = 0; k < 20000; k++)
            ;
        ck_assert_uint_eq(counters[0], before);
        gci_world_restart();
    }
    done = 1;
    while (id != 0)
        sched_yield();
}
END_TEST

MAKE_SUITE(stop, a_collection_that_is_given_up_leaves_what_the_last_one_has_reclaimed,
           a_thread_with_the_id_of_one_that_vanished_leaves_nothing_of_it_owned,
           a_fork_in_a_handler_leaves_other_forks_alone, who_stops_the_world_goes_on, nothing_moves_in_a_stopped_world,
           a_critical_section_is_not_stopped, an_ended_leader_is_not_waited_for, no_handler_runs_in_a_stopped_world,
           a_deaf_sleeper_is_passed_by_until_it_comes_to_the_heap, a_signal_that_cannot_be_taken_leaves_the_one_before,
           a_thread_with_anothers_locals_is_stopped_as_itself, errno_stays_across_a_handler,
           a_stop_that_comes_during_a_tick_is_answered, a_request_beside_a_collection_is_served_after_it,
           a_thread_with_the_id_of_an_ended_one_has_not_ended)
