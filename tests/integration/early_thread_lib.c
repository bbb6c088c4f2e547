/* SPDX-License-Identifier: MIT */
/* A library whose constructor runs before any of the program's and, as the dynamic linker orders things, before that
 * of a preloaded gcalloc. It does what careful libraries do: it blocks all signals and starts a thread, which keeps
 * the mask. It also installs a handler that blocks all signals while it runs. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_bool has_changed;

/* Holds memory by nothing but its own stack. */
static void *run(void *unused)
{
    const struct timespec gap = {0, 1000000};
    char *block = malloc(5000);
    (void)unused;
    if (block == NULL)
        return NULL;
    memset(block, 'e', 5000);
    for (;;) {
        nanosleep(&gap, NULL);
        for (size_t i = 0; i < 5000; i++)
            if (block[i] != 'e')
                atomic_store(&has_changed, true);
        free(malloc(300));
    }
}

/* A handler that takes its time: 20 ms, in a process whose collections may not wait for it forever. */
static void on_signal(int signal)
{
    (void)signal;
    usleep(20000);
}

/* What the program asks at its end. */
bool early_memory_has_changed(void);
bool early_memory_has_changed(void)
{
    return atomic_load(&has_changed);
}

__attribute__((constructor)) static void load(void)
{
    pthread_t thread;
    sigset_t all, before;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigfillset(&all);
    action.sa_mask = all;
    sigaction(SIGUSR1, &action, NULL);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, run, NULL) == 0)
        pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
