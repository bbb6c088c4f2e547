/* SPDX-License-Identifier: MIT */
/* Rows 55, 62: threads are born, end and are detached while the world is stopped; some have the smallest stack and 16 KiB. */
#include <limits.h>
#include <pthread.h>

#include "conformance.h"

#define COLLECTIONS 300 /* unless ROW55_COLLECTIONS says otherwise */

static volatile int done;
static volatile int running;

static void *live_shortly(void *data)
{
    char *held = make_held();
    for (int i = 0; i < 10; i++)
        free(malloc((size_t)i * 100));
    check_held(held);
    __atomic_fetch_sub(&running, 1, __ATOMIC_RELAXED);
    return data;
}

static void *give_birth(void *data)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, (size_t)sysconf(_SC_THREAD_STACK_MIN) + 16384);
    while (!done) {
        pthread_t thread;
        if (running > 100)
            continue;
        __atomic_fetch_add(&running, 1, __ATOMIC_RELAXED);
        if (pthread_create(&thread, &attributes, live_shortly, NULL) != 0)
            __atomic_fetch_sub(&running, 1, __ATOMIC_RELAXED);
    }
    return data;
}

int main(void)
{
    pthread_t mothers[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&mothers[i], NULL, give_birth, NULL) == 0);
    const char *wanted = getenv("ROW55_COLLECTIONS");
    int collections = wanted != NULL ? atoi(wanted) : COLLECTIONS;
    for (int i = 0; i < collections; i++) {
        collect();
        usleep(1000);
    }
    done = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(mothers[i], NULL);
    while (running > 0)
        usleep(1000);
    return 0;
}
