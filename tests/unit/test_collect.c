/* SPDX-License-Identifier: MIT */
/* Pacing, and whole cycles through the public functions; and the same with every memory call failing once. */
#include <errno.h>
#include <gcalloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "collect/pacer.h"
#include "platform/vm.h"
#include "support.h"

#define MIB (UINT64_C(1) << 20)

START_TEST(headroom_is_bounded)
{
    uint64_t random = random_seed();
    for (int i = 0; i < 100000; i++) {
        struct cycle_figures figures = {
            .room_bytes = UINT64_MAX,
            .scanned_bytes = random_next(&random) % (UINT64_C(1) << (random_next(&random) % 41)),
            .grown_bytes = random_next(&random) % (UINT64_C(1) << (random_next(&random) % 41)),
            .mark_ns = random_next(&random) % 10000000000u,
            .run_ns = random_next(&random) % 10000000000u,
        };
        uint64_t headroom = gci_pacer_headroom(&figures);
        ck_assert_uint_ge(headroom, figures.scanned_bytes / 2);
        ck_assert_uint_le(headroom, figures.scanned_bytes);
    }
}
END_TEST

START_TEST(faster_growth_gets_more_headroom)
{
    struct cycle_figures figures = {
        .room_bytes = UINT64_MAX, .scanned_bytes = 512 * MIB, .mark_ns = 500000000, .run_ns = 1000000000};
    uint64_t before = 0;
    for (figures.grown_bytes = MIB; figures.grown_bytes < 65536 * MIB; figures.grown_bytes *= 2) {
        uint64_t headroom = gci_pacer_headroom(&figures);
        ck_assert_uint_ge(headroom, before);
        before = headroom;
    }
}
END_TEST

START_TEST(poor_yield_makes_patient)
{
    struct pacer pacer;
    struct cycle_figures figures = {
        .room_bytes = UINT64_MAX, .used_bytes = 100 * MIB, .live_bytes = 100 * MIB, .grown_bytes = 50 * MIB};
    gci_pacer_init(&pacer, 32 * MIB);
    ck_assert_uint_eq(word_load(&pacer.threshold_bytes), 32 * MIB);
    figures.freed_bytes = figures.grown_bytes;
    gci_pacer_finish_cycle(&pacer, &figures, 32 * MIB);
    uint64_t first = word_load(&pacer.threshold_bytes);
    figures.freed_bytes = 0;
    gci_pacer_finish_cycle(&pacer, &figures, 32 * MIB);
    ck_assert_uint_eq(word_load(&pacer.threshold_bytes), 100 * MIB + 2 * (first - 100 * MIB));
    for (int i = 0; i < 10; i++) {
        figures.grown_bytes = word_load(&pacer.threshold_bytes) - 100 * MIB;
        gci_pacer_finish_cycle(&pacer, &figures, 32 * MIB);
    }
    ck_assert_uint_eq(word_load(&pacer.threshold_bytes), 3 * 100 * MIB + 2 * 32 * MIB);
    figures.freed_bytes = figures.grown_bytes;
    gci_pacer_finish_cycle(&pacer, &figures, 32 * MIB);
    ck_assert_uint_eq(word_load(&pacer.threshold_bytes), first);
}
END_TEST

/* Every block keeps something, so no cycle gives units back: what the next may take decides how far the heap grows. */
START_TEST(where_free_slots_serve_few_units_are_added)
{
    struct pacer pacer;
    struct cycle_figures figures = {
        .room_bytes = UINT64_MAX, .used_bytes = 100 * MIB, .live_bytes = 10 * MIB, .freed_bytes = 90 * MIB};
    gci_pacer_init(&pacer, 32 * MIB);
    gci_pacer_finish_cycle(&pacer, &figures, 32 * MIB);
    ck_assert(!gci_pacer_is_due(&pacer, 100 * MIB, 64 << 10));
    ck_assert(gci_pacer_is_due(&pacer, 101 * MIB, 64 << 10));
    figures.freed_bytes = 1 * MIB;
    gci_pacer_finish_cycle(&pacer, &figures, 32 * MIB);
    ck_assert(!gci_pacer_is_due(&pacer, 107 * MIB, 64 << 10));
    ck_assert(gci_pacer_is_due(&pacer, 108 * MIB, 64 << 10));
}
END_TEST

START_TEST(a_large_request_alone_is_no_reason)
{
    struct pacer pacer;
    struct cycle_figures figures = {
        .room_bytes = UINT64_MAX, .used_bytes = 100 * MIB, .live_bytes = 100 * MIB, .grown_bytes = 50 * MIB};
    gci_pacer_init(&pacer, 32 * MIB);
    ck_assert(!gci_pacer_is_due(&pacer, 0, 1024 * MIB));
    ck_assert(gci_pacer_is_due(&pacer, 31 * MIB, 2 * MIB));
    gci_pacer_finish_cycle(&pacer, &figures, 32 * MIB);
    ck_assert(!gci_pacer_is_due(&pacer, 101 * MIB, 1024 * MIB));
    ck_assert(gci_pacer_is_due(&pacer, 120 * MIB, 1024 * MIB));
}
END_TEST

START_TEST(a_cycle_without_growth_teaches_nothing)
{
    struct pacer pacer;
    struct cycle_figures figures = {
        .room_bytes = UINT64_MAX, .used_bytes = 100 * MIB, .live_bytes = 100 * MIB, .grown_bytes = 50 * MIB};
    gci_pacer_init(&pacer, 32 * MIB);
    for (int i = 0; i < 4; i++)
        gci_pacer_finish_cycle(&pacer, &figures, 32 * MIB);
    uint64_t patient = word_load(&pacer.threshold_bytes);
    figures.grown_bytes = 0;
    gci_pacer_finish_cycle(&pacer, &figures, 32 * MIB);
    ck_assert_uint_eq(word_load(&pacer.threshold_bytes), patient);
}
END_TEST

START_TEST(thresholds_saturate)
{
    struct pacer pacer;
    struct cycle_figures figures = {
        .room_bytes = UINT64_MAX, .used_bytes = UINT64_MAX - 5, .live_bytes = UINT64_MAX - 5};
    gci_pacer_init(&pacer, UINT64_MAX);
    gci_pacer_finish_cycle(&pacer, &figures, UINT64_MAX);
    ck_assert_uint_eq(word_load(&pacer.threshold_bytes), UINT64_MAX);
    gci_pacer_give_up(&pacer, UINT64_MAX - 5, UINT64_MAX);
    ck_assert_uint_eq(word_load(&pacer.threshold_bytes), UINT64_MAX);
}
END_TEST

/* ---- Whole cycles ------------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) void make_garbage(void)
{
    for (int i = 0; i < 10000; i++) {
        void **cell = gca_malloc(100);
        *cell = cell; /* a cycle of one */
        __asm__ volatile("" : : "r"(cell) : "memory");
    }
}

static __attribute__((noinline)) void clear_stack(void)
{
    volatile char area[16384];
    for (size_t i = 0; i < sizeof area; i++)
        area[i] = 0;
}

static void *kept; /* a root */

START_TEST(cycles_free_garbage_and_keep_the_rest)
{
    char **table = gca_calloc(1000, sizeof *table);
    kept = table;
    for (int i = 0; i < 1000; i++) {
        table[i] = gca_malloc_atomic(40);
        snprintf(table[i], 40, "text %d", i);
    }
    make_garbage();
    clear_stack();
    ck_assert_uint_ge(gca_collect(), 9900 * 100);
    for (int i = 0; i < 1000; i++) {
        char expected[40];
        snprintf(expected, 40, "text %d", i);
        ck_assert_str_eq(((char **)kept)[i], expected);
    }
}
END_TEST

static uintptr_t hidden;

static __attribute__((noinline)) void hide_block(void)
{
    hidden = ~(uintptr_t)gca_malloc(500);
}

START_TEST(reachability_is_answered)
{
    hide_block();
    clear_stack();
    ck_assert(!gca_is_reachable((void *)~hidden));
    kept = gca_malloc(500);
    ck_assert(gca_is_reachable((char *)kept + 499));
    ck_assert(!gca_is_reachable(&hidden));
}
END_TEST

START_TEST(uncollectable_memory_is_a_root)
{
    hide_block();
    void **holder = gca_malloc_uncollectable(64);
    *holder = gca_malloc(500);
    uintptr_t held = ~(uintptr_t)*holder;
    hidden = ~(uintptr_t)holder;
    holder = NULL;
    clear_stack();
    gca_collect();
    ck_assert(gca_is_reachable((void *)~held));
    gca_free((void *)~hidden);
}
END_TEST

static void *collect_with_cancellation_pending(void *data)
{
    (void)data;
    pthread_cancel(pthread_self());
    gca_collect();
    return &hidden;
}

START_TEST(a_collection_is_no_cancellation_point)
{
    pthread_t thread;
    void *result = NULL;
    pthread_create(&thread, NULL, collect_with_cancellation_pending, NULL);
    pthread_join(thread, &result);
    ck_assert_ptr_eq(result, &hidden);
    gca_collect();
}
END_TEST

/* ---- Marking twice ------------------------------------------------------------------------------------------------ */

#define SHARED_STACK_BYTES (256 << 10)

/* Between a process that collects and one that writes one word meanwhile, by turns with two values. */
struct shared {
    char stack[SHARED_STACK_BYTES];
    void *volatile word;
    void *volatile *volatile place; /* of the word that is written; NULL: not yet */
    volatile uintptr_t hidden[2];   /* the values, complemented: what lies here is a root */
};

static struct shared *shared;

static __attribute__((noinline)) void hide_values(int count)
{
    for (int i = 0; i < 2; i++)
        shared->hidden[i] = ~(i < count ? (uintptr_t)gca_malloc(500) : 0);
}

/* How the process ends that collects. */
static int collect_beside_writer(void (*run)(void))
{
    int status;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
    pid_t child = fork();
    if (child == 0) {
        run();
        _exit(0);
    }
    while (waitpid(child, &status, WNOHANG) == 0) {
        void *volatile *place = shared->place;
        for (int i = 0; place != NULL && i < 1000; i++)
            *place = (void *)~shared->hidden[i % 2];
    }
    munmap(shared, sizeof *shared);
    return status;
}

static void collect_beside_changing_memory(void)
{
    gca_option_set("verify", "1");
    shared->place = &shared->word;
    for (int i = 0; i < 300; i++) {
        hide_values(1);
        clear_stack();
        gca_collect();
    }
}

START_TEST(what_another_process_writes_is_marked_twice_as_it_was)
{
    ck_assert_int_eq(collect_beside_writer(collect_beside_changing_memory), 0);
}
END_TEST

static void *offer_word(void *data)
{
    void *volatile word = NULL;
    gca_free(gca_malloc(1)); /* of a thread that has never come to the heap the stack is not known */
    shared->place = &word;
    for (;;)
        pause();
    return data;
}

static void collect_beside_changing_stack(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    hide_values(2);
    clear_stack();
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, shared->stack, sizeof shared->stack);
    pthread_create(&thread, &attributes, offer_word, NULL);
    while (shared->place == NULL)
        sched_yield();
    gca_option_set("verify", "1");
    for (int i = 0; i < 10000; i++)
        gca_collect();
}

/* As a thread would do that was not stopped. */
START_TEST(a_stopped_stack_that_changes_is_found)
{
    int status = collect_beside_writer(collect_beside_changing_stack);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %x", (unsigned)status);
}
END_TEST

static ucontext_t main_context;
static ucontext_t routine_context;

/* Where the frames of a collection come to lie. */
static __attribute__((noinline)) void leave_garbage_on_stack(void)
{
    void *words[2000];
    for (int i = 0; i < 2000; i++)
        words[i] = gca_malloc(100);
    __asm__ volatile("" : : "r"(words) : "memory");
}

static void collect_on_this_stack(void)
{
    for (int i = 0; i < 30; i++) {
        leave_garbage_on_stack();
        gca_collect();
    }
    swapcontext(&routine_context, &main_context);
}

START_TEST(a_collection_on_a_block_of_the_heap_is_marked_twice)
{
    gca_option_set("verify", "1");
    ck_assert_int_eq(getcontext(&routine_context), 0);
    routine_context.uc_stack = (stack_t){.ss_sp = gca_malloc(SHARED_STACK_BYTES), .ss_size = SHARED_STACK_BYTES};
    makecontext(&routine_context, collect_on_this_stack, 0);
    ck_assert_int_eq(swapcontext(&main_context, &routine_context), 0);
}
END_TEST

#define MANY_ROOTS 100000
#define VERIFY_FAULTS 24

static void *many_roots[MANY_ROOTS]; /* more than there is room for at first */

/* What is said on standard error of two collections, of which one gets no memory at the k-th call for it. */
static size_t collect_with_fault(uint64_t k, char *said, size_t bytes)
{
    int ends[2], status;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        gca_option_set("verify", "1");
        gci_vm_fail_at(k);
        gca_collect();
        gci_vm_fail_at(0);
        gca_collect();
        _exit(gca_base(many_roots[0]) != many_roots[0]);
    }
    close(ends[1]);
    ssize_t length = read(ends[0], said, bytes - 1);
    close(ends[0]);
    waitpid(child, &status, 0);
    ck_assert_msg(status == 0, "k = %d: status %x", (int)k, (unsigned)status);
    return length > 0 ? (size_t)length : 0;
}

START_TEST(a_marking_that_is_not_compared_is_told_of_once)
{
    static const char wanted[] = "gcalloc: verify: no memory for a second marking: not every collection is checked\n";
    char said[1000];
    int told = 0;
    void *block = gca_malloc(10);
    for (int i = 0; i < MANY_ROOTS; i++)
        many_roots[i] = block;
    for (uint64_t k = 0; k <= VERIFY_FAULTS; k++) {
        said[collect_with_fault(k, said, sizeof said)] = '\0';
        ck_assert_msg(said[0] == '\0' || (k > 0 && strcmp(said, wanted) == 0), "k = %d: %s", (int)k, said);
        told += said[0] != '\0';
    }
    ck_assert_int_gt(told, 0);
}
END_TEST

#define WORKERS 3
#define COLLECTIONS 400

static volatile uint64_t work_done[WORKERS];
static volatile int is_over;

static void *work(void *counter)
{
    while (!is_over) {
        gca_free(gca_malloc(100));
        ++*(volatile uint64_t *)counter;
    }
    return NULL;
}

START_TEST(collecting_without_pause_leaves_time_for_others)
{
    pthread_t threads[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)&work_done[i]);
    for (int i = 0; i < WORKERS; i++)
        while (work_done[i] == 0)
            sched_yield();
    for (int i = 0; i < WORKERS; i++)
        work_done[i] = 0;
    for (int i = 0; i < COLLECTIONS; i++)
        gca_collect();
    is_over = 1;
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_uint_gt(work_done[i], COLLECTIONS);
    }
}
END_TEST

START_TEST(what_is_left_bounds_growth)
{
    struct pacer pacer;
    gci_pacer_init(&pacer, 32 * MIB);
    struct cycle_figures figures = {.used_bytes = 160 * MIB, .live_bytes = 160 * MIB, .scanned_bytes = 160 * MIB};
    figures.room_bytes = 20 * MIB;
    gci_pacer_finish_cycle(&pacer, &figures, 32 * MIB);
    ck_assert_uint_eq(word_load(&pacer.threshold_bytes), 180 * MIB);
    figures.room_bytes = 0;
    gci_pacer_finish_cycle(&pacer, &figures, 32 * MIB);
    ck_assert_uint_eq(word_load(&pacer.threshold_bytes), 171 * MIB);
    figures.room_bytes = UINT64_MAX;
    gci_pacer_finish_cycle(&pacer, &figures, 32 * MIB);
    ck_assert_uint_ge(word_load(&pacer.threshold_bytes), 192 * MIB);
}
END_TEST

MAKE_SUITE(pacer, what_is_left_bounds_growth, headroom_is_bounded, faster_growth_gets_more_headroom,
           poor_yield_makes_patient, where_free_slots_serve_few_units_are_added, a_large_request_alone_is_no_reason,
           a_cycle_without_growth_teaches_nothing, thresholds_saturate)
MAKE_SUITE(cycle, cycles_free_garbage_and_keep_the_rest, reachability_is_answered, uncollectable_memory_is_a_root,
           a_collection_is_no_cancellation_point, what_another_process_writes_is_marked_twice_as_it_was,
           a_stopped_stack_that_changes_is_found, a_collection_on_a_block_of_the_heap_is_marked_twice,
           a_marking_that_is_not_compared_is_told_of_once, collecting_without_pause_leaves_time_for_others)

/* ---- Faults ------------------------------------------------------------------------------------------------------- */

#define FAULTS 50

/* NULL with ENOMEM is a right answer at any time; a wrong one is memory that is not ours alone. */
static void use_everything(void)
{
    static char *blocks[400];
    for (int i = 0; i < 400; i++) {
        size_t bytes = i % 7 == 0 ? 40000 + (size_t)i * 900 : 1 + (size_t)i * 37;
        errno = 0;
        blocks[i] = i % 2 == 0 ? gca_malloc(bytes) : gca_malloc_atomic(bytes);
        if (blocks[i] == NULL && errno != ENOMEM)
            _exit(2);
        if (blocks[i] != NULL)
            memset(blocks[i], i, bytes);
        if (i % 50 == 49)
            gca_collect();
    }
    for (int i = 0; i < 400; i++) {
        size_t bytes = i % 7 == 0 ? 40000 + (size_t)i * 900 : 1 + (size_t)i * 37;
        for (size_t k = 0; blocks[i] != NULL && k < bytes; k++)
            if (blocks[i][k] != (char)i)
                _exit(3);
        gca_free(blocks[i]);
    }
}

START_TEST(every_failing_call_is_survived)
{
    for (uint64_t k = 1; k <= FAULTS; k++) {
        pid_t child = fork();
        if (child == 0) {
            gci_vm_fail_at(k);
            use_everything();
            gci_vm_fail_at(0);
            use_everything();
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "k = %d: status %x", (int)k, (unsigned)status);
    }
}
END_TEST

MAKE_SUITE(faults, every_failing_call_is_survived)
