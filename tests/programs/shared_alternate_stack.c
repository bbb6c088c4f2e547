/* SPDX-License-Identifier: MIT */
/* All threads have one alternate signal stack, as they may where only a handler that ends the process runs there: they are
 * stopped all the same, and each goes on as itself. The stacks that they got instead are given back, and what the kernel has
 * refused counts as nobody's. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

#define THREADS 8
#define STACK_BYTES 65536
#define COLLECTIONS 200

static void *common;
static volatile bool is_over;
static int ready;

static void *sit(void *argument)
{
    stack_t stack = {.ss_sp = common, .ss_size = STACK_BYTES};
    if (sigaltstack(&stack, NULL) != 0)
        return NULL;
    free(malloc(100));
    __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
    while (!is_over)
        usleep(100);
    return argument;
}

/* ---- Given back ---------------------------------------------------------------------------------------------------- */

#define THREADS_THAT_END 200

static void *take_and_end(void *argument)
{
    stack_t stack = {.ss_sp = common, .ss_size = STACK_BYTES};
    stack_t now;
    CHECK(sigaltstack(&stack, NULL) == 0);
    CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp != common);
    CHECK(sigaltstack(&now, NULL) == 0); /* as who saves and restores it */
    return argument;
}

static void threads_end(void)
{
    stack_t stack = {.ss_sp = common, .ss_size = STACK_BYTES};
    struct gca_stats before = {.size = sizeof before};
    struct gca_stats after = {.size = sizeof after};
    CHECK(sigaltstack(&stack, NULL) == 0);
    for (int i = 0; i < THREADS_THAT_END; i++) {
        pthread_t thread;
        if (i == THREADS_THAT_END / 2)
            gca_stats_get(&before);
        pthread_create(&thread, NULL, take_and_end, NULL);
        pthread_join(thread, NULL);
    }
    gca_stats_get(&after);
    CHECK(after.heap_bytes < before.heap_bytes + UINT64_C(10) * STACK_BYTES);
    stack.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&stack, NULL) == 0);
}

/* ---- Refused ------------------------------------------------------------------------------------------------------- */

static int refused;

static void *be_refused(void *argument)
{
    stack_t too_small = {.ss_sp = common, .ss_size = 1};
    CHECK(sigaltstack(&too_small, NULL) == -1 && errno == ENOMEM);
    __atomic_store_n(&refused, 1, __ATOMIC_SEQ_CST);
    while (!is_over)
        usleep(100);
    return argument;
}

static void others_have_it_then(void)
{
    pthread_t thread;
    stack_t stack = {.ss_sp = common, .ss_size = STACK_BYTES};
    stack_t now;
    pthread_create(&thread, NULL, be_refused, NULL);
    while (__atomic_load_n(&refused, __ATOMIC_SEQ_CST) == 0)
        usleep(1000);
    CHECK(sigaltstack(&stack, NULL) == 0 && sigaltstack(NULL, &now) == 0 && now.ss_sp == common);
    is_over = true;
    pthread_join(thread, NULL);
    stack.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&stack, NULL) == 0);
    is_over = false;
}

static void all_are_stopped(int collections)
{
    static pthread_t threads[THREADS];
    static int identities[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, sit, &identities[i]);
    while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < THREADS)
        usleep(1000);
    for (int i = 0; i < collections; i++)
        gca_collect();
    is_over = true;
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        CHECK(result == &identities[i]);
    }
}

int main(int argument_count, char **arguments)
{
    (void)arguments;
    common = malloc(STACK_BYTES);
    others_have_it_then();
    threads_end();
    if (argument_count == 1)
        all_are_stopped(COLLECTIONS);
    return check_result();
}
