/* SPDX-License-Identifier: MIT */
/* Row 44: blocks live that are held by a stack which is used in an unusual way: while a handler runs on an alternate
 * stack that is an array in one of its frames, or when it has become the program's own memory again. */
#include <pthread.h>
#include <signal.h>

#include "conformance.h"

#define BLOCKS 1000
#define STACK_BYTES ((size_t)1 << 20)

static volatile sig_atomic_t is_in_handler;
static volatile sig_atomic_t may_leave;

static void wait_in_handler(int signal)
{
    (void)signal;
    is_in_handler = 1;
    while (!may_leave)
        ;
}

static void *collect_beside(void *data)
{
    while (!is_in_handler)
        usleep(100);
    collect_and_reuse(HELD_BYTES);
    may_leave = 1;
    return data;
}

static __attribute__((noinline)) void hold_below(void)
{
    char *volatile blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = make_held();
    raise(SIGUSR1);
    for (int i = 0; i < BLOCKS; i++) {
        check_held(blocks[i]);
        free(blocks[i]);
    }
}

static void *handle_on_own_stack(void *data)
{
    char area[65536];
    stack_t stack = {.ss_sp = area, .ss_size = sizeof area};
    stack_t none = {.ss_flags = SS_DISABLE};
    pthread_t other;
    CHECK(sigaltstack(&stack, NULL) == 0);
    is_in_handler = may_leave = 0;
    CHECK(pthread_create(&other, NULL, collect_beside, NULL) == 0);
    hold_below();
    pthread_join(other, NULL);
    CHECK(sigaltstack(&none, NULL) == 0);
    return data;
}

static void *allocate_once(void *data)
{
    free(malloc(10));
    return data;
}

static void use_stack_again(void)
{
    static char stack[STACK_BYTES] __attribute__((aligned(4096)));
    char **table = (char **)stack;
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstack(&attributes, stack, sizeof stack) == 0);
    CHECK(pthread_create(&thread, &attributes, allocate_once, NULL) == 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    for (int i = 0; i < BLOCKS; i++)
        table[i] = make_held();
    clear_stack();
    collect_and_reuse(HELD_BYTES);
    for (int i = 0; i < BLOCKS; i++)
        check_held(table[i]);
}

int main(void)
{
    struct sigaction action = {.sa_handler = wait_in_handler, .sa_flags = SA_ONSTACK};
    pthread_t thread;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    handle_on_own_stack(NULL);
    CHECK(pthread_create(&thread, NULL, handle_on_own_stack, NULL) == 0);
    pthread_join(thread, NULL);
    use_stack_again();
    return 0;
}
