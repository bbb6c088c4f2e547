/* SPDX-License-Identifier: MIT */
/* What is looked at as a root, where that is not plain: stacks in odd places, registers, code. */
#include <gcalloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "base/atomic.h"
#include "collect/cycle.h"
#include "heap/resolve.h"
#include "hidden.h"
#include "mark/mark.h"
#include "support.h"
#include "world/roots.h"

/* ---- Alternate signal stacks ---------------------------------------------------------------------------------------- */

#define STACK_BYTES 65536

/* Only the kernel has the block's address from here on. */
static __attribute__((noinline)) void stand_on_a_block(void)
{
    stack_t stack = {.ss_sp = gca_malloc(STACK_BYTES), .ss_size = STACK_BYTES};
    hidden = ~(uintptr_t)stack.ss_sp;
    ck_assert_int_eq(sigaltstack(&stack, NULL), 0);
}

static void stand_on_none(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    ck_assert_int_eq(sigaltstack(&none, NULL), 0);
}

static void *wait_beside_a_block(void *unused)
{
    stand_on_a_block();
    clear_stack();
    u32_store_release(&is_ready, 1);
    wait_for(&is_over);
    stand_on_none();
    return unused;
}

START_TEST(the_kernel_holds_anothers_alternate_stack)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_beside_a_block, NULL), 0);
    wait_for(&is_ready);
    gca_collect();
    ck_assert(gca_is_reachable(shown()));
    u32_store_release(&is_over, 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    clear_stack();
    ck_assert(!gca_is_reachable(shown()));
}
END_TEST

START_TEST(the_kernel_holds_ones_own_alternate_stack)
{
    stand_on_a_block();
    clear_stack();
    gca_collect();
    ck_assert(gca_is_reachable(shown()));
    stand_on_none();
    clear_stack();
    ck_assert(!gca_is_reachable(shown()));
}
END_TEST

/* ---- Stacks and code -------------------------------------------------------------------------------------------------- */

static void *wait_on_anothers_stack(void *unused)
{
    u32_store_release(&is_ready, 1);
    wait_for(&is_over);
    return unused;
}

/* In a frame that is younger than the other thread's stack, and at lower addresses. */
static __attribute__((noinline)) void hold(void)
{
    void *volatile place[1] = {gca_malloc(3000)};
    hidden = ~(uintptr_t)place[0];
    ck_assert(gca_is_reachable(shown()));
    place[0] = NULL;
}

START_TEST(a_thread_on_the_main_stack_ends_no_roots)
{
    pthread_t thread;
    pthread_attr_t attributes;
    static char *volatile lowest;
    char stack[STACK_BYTES + 16] __attribute__((aligned(16)));
    lowest = stack;
    ck_assert_int_eq(pthread_attr_init(&attributes), 0);
    ck_assert_int_eq(pthread_attr_setstack(&attributes, lowest, STACK_BYTES), 0);
    ck_assert_int_eq(pthread_create(&thread, &attributes, wait_on_anothers_stack, NULL), 0);
    wait_for(&is_ready);
    hold();
    u32_store_release(&is_over, 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static void look_for_hidden(const struct cycle_scene *scene, void *is_found)
{
    struct object object = gci_resolve(&gci_heap, (uintptr_t)shown());
    (void)scene;
    *(bool *)is_found = gci_mark_is_set(&gci_heap, object.unit, object.slot);
}

/* Of a thread that a signal has interrupted, and that looks at the heap in the handler. */
START_TEST(saved_registers_below_the_stack_are_roots)
{
    static bool is_found;
    volatile uintptr_t area[8] = {0};
    const struct roots_caller caller = {
        (uintptr_t)(area + 8), {(uintptr_t)area, (uintptr_t)(area + 8)}, (uintptr_t)gca_collect};
    const struct cycle_look look = {.look = look_for_hidden, .data = &is_found, .caller = &caller};
    area[3] = (uintptr_t)gca_malloc(3000);
    hidden = ~area[3];
    clear_stack();
    ck_assert(gci_cycle_look(&look) && is_found);
    area[3] = 0;
    clear_stack();
    ck_assert(gci_cycle_look(&look) && !is_found);
}
END_TEST

#define CODE_BYTES ((size_t)1 << 20)
#define CODE_STEP 4096

/* An operand in the last bytes of a page and the first of the next, of each page: what is copied at once ends somewhere. */
static __attribute__((noinline)) char *make_code(uintptr_t *objects)
{
    char *code = mmap(NULL, CODE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(code, MAP_FAILED);
    for (size_t at = CODE_STEP; at < CODE_BYTES; at += CODE_STEP) {
        void *object = gca_malloc(3000);
        memcpy(code + at - 3, &object, sizeof object);
        objects[at / CODE_STEP] = ~(uintptr_t)object;
    }
    ck_assert_int_eq(mprotect(code, CODE_BYTES, PROT_READ | PROT_EXEC), 0);
    return code;
}

START_TEST(no_operand_of_code_is_cut_in_two)
{
    static uintptr_t objects[CODE_BYTES / CODE_STEP];
    gca_disable(); /* it is no code before all of it is there */
    char *code = make_code(objects);
    gca_enable();
    clear_stack();
    gca_collect();
    for (size_t i = 1; i < CODE_BYTES / CODE_STEP; i++)
        ck_assert_msg(gca_base((void *)~objects[i]) == (void *)~objects[i], "operand %zu", i);
    munmap(code, CODE_BYTES);
}
END_TEST

MAKE_SUITE(stacks, the_kernel_holds_anothers_alternate_stack, the_kernel_holds_ones_own_alternate_stack,
           a_thread_on_the_main_stack_ends_no_roots, saved_registers_below_the_stack_are_roots,
           no_operand_of_code_is_cut_in_two)
