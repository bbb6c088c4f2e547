/* SPDX-License-Identifier: MIT */
/* Row 23: 8192 atexit functions and 200 thread keys, whose tables the C library allocates. */
#include <pthread.h>

#include "conformance.h"

#define FUNCTIONS 8192

static int called;

static void at_exit(void)
{
    free(malloc(10));
    if (++called == FUNCTIONS)
        collect();
}

/* Registered first, so it is called last. */
static void check_all_were_called(void)
{
    CHECK(called == FUNCTIONS);
}

static void *use_keys(void *data)
{
    pthread_key_t keys[200];
    char *held[200];
    (void)data;
    for (int i = 0; i < 200; i++) {
        CHECK(pthread_key_create(&keys[i], NULL) == 0);
        held[i] = make_held();
        CHECK(pthread_setspecific(keys[i], held[i]) == 0);
        held[i] = NULL;
    }
    collect_and_reuse(HELD_BYTES);
    for (int i = 0; i < 200; i++)
        check_held(pthread_getspecific(keys[i]));
    for (int i = 0; i < 200; i++)
        pthread_key_delete(keys[i]);
    return NULL;
}

int main(void)
{
    pthread_t thread;
    CHECK(atexit(check_all_were_called) == 0);
    for (int i = 0; i < FUNCTIONS; i++)
        CHECK(atexit(at_exit) == 0);
    use_keys(NULL);
    pthread_create(&thread, NULL, use_keys, NULL);
    pthread_join(thread, NULL);
    return 0;
}
