/* SPDX-License-Identifier: MIT */
/* All threads have one alternate signal stack, as they may where only a handler that ends the process runs there: they are
 * stopped all the same, and each goes on as itself. */
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

int main(void)
{
    static pthread_t threads[THREADS];
    static int identities[THREADS];
    common = malloc(STACK_BYTES);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, sit, &identities[i]);
    while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < THREADS)
        usleep(1000);
    for (int i = 0; i < COLLECTIONS; i++)
        gca_collect();
    is_over = true;
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        CHECK(result == &identities[i]);
    }
    return check_result();
}
