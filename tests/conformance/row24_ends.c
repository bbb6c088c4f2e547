/* SPDX-License-Identifier: MIT */
/* Row 24: allocation in key destructors through all rounds, in atexit functions and after main. */
#include <limits.h>
#include <pthread.h>

#include "conformance.h"

static pthread_key_t key;
static int rounds;

static void in_destructor(void *value)
{
    int *left = value;
    char *block = malloc(1000);
    CHECK(block != NULL);
    memset(block, 1, 1000);
    collect();
    free(block);
    __atomic_fetch_add(&rounds, 1, __ATOMIC_RELAXED);
    if (--*left > 0)
        pthread_setspecific(key, value);
    else
        free(value);
}

static void *run(void *data)
{
    int *left = malloc(sizeof *left);
    *left = PTHREAD_DESTRUCTOR_ITERATIONS;
    pthread_setspecific(key, left);
    return data;
}

static void after_main(void)
{
    char *block = malloc(100);
    CHECK(block != NULL);
    collect();
    free(block);
}

__attribute__((destructor)) static void very_late(void)
{
    free(malloc(100));
}

int main(void)
{
    atexit(after_main);
    CHECK(pthread_key_create(&key, in_destructor) == 0);
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, run, NULL) == 0);
        pthread_join(thread, NULL);
    }
    CHECK(rounds == 50 * PTHREAD_DESTRUCTOR_ITERATIONS);
    return 0;
}
