/* SPDX-License-Identifier: MIT */
/* A library to preload beside gcalloc: a thread in every process that collects once a millisecond. It stops
 * single-threaded programs at any instruction, in any system call, which no collection of their own would do. Without
 * gcalloc it does nothing. The thread blocks all signals, so that the program's signals reach the program; a forked
 * child gets its own. */
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

extern size_t gca_collect(void) __attribute__((weak));

static void *tick(void *unused)
{
    const struct timespec gap = {0, 1000000};
    sigset_t all;
    (void)unused;
    nanosleep(&gap, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL); /* once more: the first time, gcalloc may not have been set up */
    for (;;) {
        gca_collect();
        nanosleep(&gap, NULL);
    }
    return NULL;
}

static void start_ticking(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_create(&thread, &attributes, tick, NULL);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

__attribute__((constructor)) static void load(void)
{
    if (!gca_collect)
        return;
    pthread_atfork(NULL, NULL, start_ticking);
    start_ticking();
}
