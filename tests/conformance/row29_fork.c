/* SPDX-License-Identifier: MIT */
/* Rows 29, 32, 33: fork while other threads allocate and collect; children allocate, collect, fork and exec. What signals are
 * blocked is the same behind fork as before, in both processes. */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "conformance.h"

static volatile int done;

static void *churn(void *data)
{
    for (unsigned i = 0; !done; i++) {
        char *block = malloc(i % 3000);
        int is_collected = i % 1000 != 0 || collect();
        if (i % 2 == 0 || !is_collected || i % 1000 > 10)
            free(block);
    }
    return data;
}

static void use_heap(void)
{
    for (int i = 0; i < 3000; i++) {
        char *block = malloc((size_t)i);
        CHECK(block != NULL);
        memset(block, i, (size_t)i);
        if (i % 2 == 0)
            free(block);
    }
    collect();
}

/* All signals that the kernel knows: the C library shows none of its own. */
static unsigned long blocked_signals(void)
{
    unsigned long blocked = 0;
    CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof blocked) == 0);
    return blocked;
}

static pid_t fork_as_it_was(void)
{
    unsigned long before = blocked_signals();
    pid_t child = fork();
    CHECK(blocked_signals() == before);
    return child;
}

static void descend(int generations, const char *held)
{
    int status = 0;
    for (; generations > 0; generations--) {
        check_held(held);
        use_heap();
        check_held(held);
        pid_t child = fork_as_it_was();
        if (child != 0) {
            waitpid(child, &status, 0);
            _exit(status != 0);
        }
    }
    _exit(execl("/bin/true", "true", (char *)NULL) != 0);
}

int main(void)
{
    pthread_t threads[3];
    char *held = make_held();
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, churn, NULL);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    for (int i = 0; i < 60; i++) {
        int status;
        pid_t child = fork_as_it_was();
        CHECK(child >= 0);
        if (child == 0)
            descend(i % 10 == 0 ? 10 : 1, held);
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    done = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
