/* SPDX-License-Identifier: MIT */
/* Slow paths of free, in states that only a race between threads brings about. */
#include <gcalloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../stepping.h"
#include "alloc/alloc.h"
#include "alloc/refill.h"
#include "heap/cache.h"
#include "support.h"
#include "world/critical.h"

#define BYTES 512
#define COUNT (4 * (BLOCK_BYTES / BYTES))

static uint32_t unit_of(const void *block)
{
    return (uint32_t)(((uintptr_t)block - gci_heap.base) >> BLOCK_SHIFT);
}

/* A block of the calling thread in which every slot is in use; one of its slots. */
static void *make_full_block(void)
{
    static void *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        blocks[i] = gca_malloc_atomic(BYTES);
    void *slot = blocks[COUNT / 2];
    ck_assert_uint_eq(block_at(&gci_heap, unit_of(slot))->state, BLOCK_FULL);
    ck_assert_uint_eq(block_owner(block_at(&gci_heap, unit_of(slot))), gci_cache_self.id);
    return slot;
}

/* The same, of a block that waits for so many frees and that others have freed into. */
static void *make_awaited(uint32_t countdown)
{
    void *slot = make_full_block();
    struct block *block = block_at(&gci_heap, unit_of(slot));
    block->countdown = countdown;
    block_set_flag(block, HAS_REMOTE);
    return slot;
}

static void check_was_looked_at(const void *slot)
{
    uint32_t countdown = block_at(&gci_heap, unit_of(slot))->countdown;
    ck_assert_uint_ge(countdown, 1);
    ck_assert_uint_le(countdown, BLOCK_BYTES / BYTES);
}

/* The fast path has counted the last free down to 0; then another thread notes its free. */
START_TEST(the_last_free_beside_a_remote_one_is_looked_at)
{
    void *slot = make_awaited(0);
    gci_free_slow(slot, "free");
    check_was_looked_at(slot);
}
END_TEST

/* The same by the short way, which has not counted it. */
START_TEST(the_awaited_free_beside_a_remote_one_is_looked_at)
{
    void *slot = make_awaited(1);
    gca_free(slot);
    check_was_looked_at(slot);
}
END_TEST

/* 1: a thread had no cache before its free, and has one after it; 2: not so. */
static volatile u32_shared attached;

static void *free_first(void *slot)
{
    bool had_cache = gci_cache_self.cache != &gci_cache_empty;
    gca_free(slot);
    u32_store_release(&attached, !had_cache && gci_cache_self.cache != &gci_cache_empty ? 1 : 2);
    pause(); /* the thread sanitizer's account of a thread is gone before the thread's last destructors */
    return NULL;
}

/* From then on it is stopped like others. */
START_TEST(a_thread_whose_first_call_is_a_free_gets_a_cache)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, free_first, make_full_block()), 0);
    while (u32_load_acquire(&attached) == 0)
        sched_yield();
    ck_assert_uint_eq(u32_load(&attached), 1);
}
END_TEST

static void expect_abort(void (*call)(void))
{
    int status;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        close(STDERR_FILENO);
        call();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %x", (unsigned)status);
}

static void free_what_others_have_freed(void)
{
    void *slot = make_full_block();
    struct block *block = block_at(&gci_heap, unit_of(slot));
    uint32_t index = slot_of_offset((uintptr_t)slot % BLOCK_BYTES, gci_heap.meta.hot[unit_of(slot)].reciprocal);
    block_set_remote(block, index / BITS_PER_WORD, UINT64_C(1) << index % BITS_PER_WORD);
    gci_cache_count_remote(&gci_heap, unit_of(slot));
    gca_free(slot);
}

/* At once, and not when the block is looked at. */
START_TEST(an_own_free_of_what_others_have_freed_is_a_double_free)
{
    expect_abort(free_what_others_have_freed);
}
END_TEST

START_TEST(frees_beside_remote_ones_are_counted)
{
    void *slot = make_awaited(5);
    gca_free(slot);
    ck_assert_uint_eq(block_at(&gci_heap, unit_of(slot))->countdown, 4);
    ck_assert_uint_eq(gci_block_count_free(&gci_heap, unit_of(slot), 0), 1);
}
END_TEST

/* The owner frees the last slot itself before it has looked at those that are woken. */
START_TEST(a_block_that_is_woken_stays_until_it_is_looked_at)
{
    struct heap heap;
    unsigned class_index = (unsigned)size_class_of(BYTES);
    uint32_t unit = 0;
    ck_assert_int_eq(gci_heap_init(&heap), 0);
    struct cache *cache = gci_cache_create(&heap);
    struct owned_blocks *owned = &cache->owned[KIND_ATOMIC][class_index];
    for (int i = 0; i < 2; i++) { /* the second one is no spare */
        unit = gci_block_create(&heap, class_index, KIND_ATOMIC, cache->id);
        block_at(&heap, unit)->state = BLOCK_AVAILABLE;
        unit_list_push_tail(&heap, &owned->available, unit);
    }
    block_at(&heap, unit)->free[0] &= ~UINT64_C(1);
    block_at(&heap, unit)->is_woken = true;
    u32_store(&owned->woken, unit);
    block_at(&heap, unit)->free[0] |= 1;
    gci_refill_look(&heap, cache, unit);
    ck_assert_uint_eq(heap.meta.hot[unit].use, UNIT_SMALL);
    gci_refill_look_at_all_woken(&heap, cache);
    ck_assert_uint_eq(heap.meta.hot[unit].use, UNIT_FREE);
    gci_heap_fini(&heap);
}
END_TEST

#define SMALL_BYTES 96
#define RETURNED 48

static void *returned[RETURNED];
static volatile u32_shared are_returned;

static void *return_them(void *unused)
{
    for (int i = 0; i < RETURNED; i++)
        gca_free(returned[i]);
    u32_store_release(&are_returned, 1);
    pause(); /* the thread sanitizer's account of a thread is gone before the thread's last destructors */
    return unused;
}

static bool is_among_returned(const void *block)
{
    bool found = false;
    for (int i = 0; i < RETURNED; i++)
        found = found || returned[i] == block;
    return found;
}

/* Of a block that other threads free into: programs with few blocks stay on few pages. */
START_TEST(what_others_have_freed_comes_before_what_was_never_used)
{
    pthread_t thread;
    const struct block *block;
    unsigned words = gci_size_classes[size_class_of(SMALL_BYTES)].words;
    uint32_t first = 0, count = 0;
    do {
        void *slot = gca_malloc_atomic(SMALL_BYTES);
        block = block_at(&gci_heap, unit_of(slot));
        count = unit_of(slot) == first ? count : 0;
        first = unit_of(slot);
        if (count < RETURNED)
            returned[count++] = slot;
    } while (block->unused_words != words - 2 || block->window_word != words - 2 || block->free[words - 2] != 0);
    ck_assert_uint_eq(count, RETURNED);
    ck_assert_int_eq(pthread_create(&thread, NULL, return_them, NULL), 0);
    while (u32_load_acquire(&are_returned) == 0)
        sched_yield();
    ck_assert(is_among_returned(gca_malloc_atomic(SMALL_BYTES)));
}
END_TEST

/* ---- Windows that others shut ------------------------------------------------------------------------------------- */

/* Of a heap of the test's own: a cache with a window open on a block of which slots of the first and last word are in use. */
struct opened {
    struct heap heap;
    struct cache *cache;
    const struct window *window;
    uint32_t unit;
    struct block *block;
    unsigned class_index;
};

static void open_small(struct opened *opened)
{
    *opened = (struct opened){.class_index = (unsigned)size_class_of(SMALL_BYTES)};
    ck_assert_int_eq(gci_heap_init(&opened->heap), 0);
    opened->cache = gci_cache_create(&opened->heap);
    ck_assert_int_eq(gci_refill(&opened->heap, opened->cache, KIND_ATOMIC, opened->class_index, false), REFILL_DONE);
    opened->window = &opened->cache->windows[KIND_ATOMIC][opened->class_index];
    opened->unit = opened->cache->owned[KIND_ATOMIC][opened->class_index].current;
    opened->block = block_at(&opened->heap, opened->unit);
    opened->block->free[opened->block->window_word] &= ~UINT64_C(6);
    opened->block->free[0] &= ~UINT64_C(6);
    ck_assert_ptr_eq(window_word(opened->window), &opened->block->free[opened->block->window_word]);
}

static bool is_shut(const struct opened *opened)
{
    return *window_word(opened->window) == 0;
}

static uint32_t flags_of(const struct opened *opened)
{
    return u32_load(&opened->block->custody) & ~OWNER_MASK;
}

START_TEST(a_remote_free_shuts_the_window_on_its_block_alone)
{
    struct opened opened;
    open_small(&opened);
    uint32_t other = gci_block_create(&opened.heap, opened.class_index, KIND_ATOMIC, opened.cache->id);
    gci_cache_count_remote(&opened.heap, other);
    ck_assert(!is_shut(&opened) && flags_of(&opened) == 0);
    block_set_remote(opened.block, 0, 2);
    ck_assert_uint_eq(gci_cache_count_remote(&opened.heap, opened.unit), 1);
    ck_assert(is_shut(&opened) && flags_of(&opened) == IS_NOTED);
    unsigned word = opened.block->window_word;
    ck_assert(gci_refill_window(&opened.heap, opened.cache, KIND_ATOMIC, opened.class_index));
    ck_assert_ptr_eq(window_word(opened.window), &opened.block->free[word]); /* none of its slots is lost */
    ck_assert_uint_eq(gci_block_fold_all(&opened.heap, opened.unit), gci_size_classes[opened.class_index].slots - 3);
    ck_assert_uint_eq(flags_of(&opened), 0);
    gci_heap_fini(&opened.heap);
}
END_TEST

/* Who has set HAS_REMOTE has shut a window, or none, but has not said so yet. Till then others shut it and say nothing. */
START_TEST(what_is_said_of_a_window_is_of_no_other_time)
{
    struct opened opened;
    open_small(&opened);
    block_set_remote(opened.block, 0, 2);
    ck_assert(block_set_flag(opened.block, HAS_REMOTE));
    gci_block_fold_all(&opened.heap, opened.unit);
    ck_assert_uint_eq(flags_of(&opened), HAS_REMOTE);
    block_set_remote(opened.block, 0, 4);
    gci_cache_count_remote(&opened.heap, opened.unit);
    ck_assert(is_shut(&opened) && flags_of(&opened) == HAS_REMOTE);
    ck_assert(block_set_flag(opened.block, IS_SHUT));
    gci_block_fold_all(&opened.heap, opened.unit);
    ck_assert_uint_eq(flags_of(&opened), 0);
    gci_heap_fini(&opened.heap);
}
END_TEST

/* The thread that would have shut it is not in the child. */
START_TEST(a_child_shuts_its_window_on_a_free_that_was_half_done)
{
    for (int is_half_done = 0; is_half_done < 2; is_half_done++) {
        struct opened opened;
        open_small(&opened);
        if (is_half_done)
            block_set_remote(opened.block, opened.block->window_word, 2);
        gci_cache_retire_all_but(&opened.heap, opened.cache);
        ck_assert_int_eq(is_shut(&opened), is_half_done);
        ck_assert_uint_eq(flags_of(&opened), is_half_done ? IS_NOTED : 0);
        gci_heap_fini(&opened.heap);
    }
}
END_TEST

static struct opened stepped;
static volatile int unsettled_steps, open_steps;

/* Nothing here calls the thread sanitizer, in the middle of which the step may be. */
READS_OTHERS_BITS static void watch(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    (void)context;
    uint32_t set = count_bits(word_load(&stepped.block->remote[stepped.block->window_word]));
    bool is_settled = u32_load(&stepped.block->remote_count) == set;
    unsettled_steps += !is_settled;
    open_steps += !is_settled && !critical_is_inside();
}

/* A fork in a handler in between would settle what is half done, and the rest of it come on top. */
START_TEST(what_others_have_freed_is_taken_over_in_a_critical_section)
{
    struct sigaction action = {.sa_sigaction = watch, .sa_flags = SA_SIGINFO};
    ck_assert_int_eq(sigaction(SIGTRAP, &action, NULL), 0);
    open_small(&stepped);
    block_set_remote(stepped.block, stepped.block->window_word, 2);
    gci_cache_count_remote(&stepped.heap, stepped.unit);
    begin_steps();
    bool is_open = gci_refill_window(&stepped.heap, stepped.cache, KIND_ATOMIC, stepped.class_index);
    end_steps();
    ck_assert(is_open && (*window_word(stepped.window) & 2));
    ck_assert_int_gt(unsettled_steps, 0);
    ck_assert_int_eq(open_steps, 0);
    gci_heap_fini(&stepped.heap);
}
END_TEST

static void take_over_what_is_no_slot(void)
{
    struct heap heap;
    gci_heap_init(&heap);
    uint32_t unit = gci_block_create(&heap, (unsigned)size_class_of(20000), KIND_ATOMIC, 1);
    block_set_remote(block_at(&heap, unit), 0, UINT64_C(1) << 43);
    gci_block_fold_word(&heap, unit, 0);
}

/* A second free that was late: the block is gone, and another of larger slots in its place. */
START_TEST(a_bit_that_is_no_slot_is_a_double_free)
{
    expect_abort(take_over_what_is_no_slot);
}
END_TEST

MAKE_SUITE(alloc, the_last_free_beside_a_remote_one_is_looked_at, the_awaited_free_beside_a_remote_one_is_looked_at,
           a_thread_whose_first_call_is_a_free_gets_a_cache, an_own_free_of_what_others_have_freed_is_a_double_free,
           frees_beside_remote_ones_are_counted, a_block_that_is_woken_stays_until_it_is_looked_at,
           what_others_have_freed_comes_before_what_was_never_used)
MAKE_SUITE(windows, a_remote_free_shuts_the_window_on_its_block_alone, what_is_said_of_a_window_is_of_no_other_time,
           a_child_shuts_its_window_on_a_free_that_was_half_done,
           what_others_have_freed_is_taken_over_in_a_critical_section, a_bit_that_is_no_slot_is_a_double_free)
