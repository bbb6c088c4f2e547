/* SPDX-License-Identifier: MIT */
/* Row 31: fork in a signal handler that may have interrupted malloc, or fork, or exec, in a
 * program with one thread. */
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "conformance.h"

#define FORKS 600

static volatile int forks;

static void on_alarm(int signal)
{
    (void)signal;
    int saved = errno;
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    int status = 0;
    if (child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7)
        forks++;
    if (forks >= FORKS) { /* a fork may take longer than the interval, and then nothing else would run */
        struct itimerval off = {{0, 0}, {0, 0}};
        setitimer(ITIMER_REAL, &off, NULL);
    }
    errno = saved;
}

static void fork_once(void)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(0);
    while (waitpid(child, NULL, 0) < 0)
        CHECK(errno == EINTR);
}

static void exec_nothing(void)
{
    char *const arguments[] = {"nothing", NULL};
    CHECK(execvp("/no such folder/nothing", arguments) == -1);
}

int main(void)
{
    struct itimerval interval = {{0, 500}, {0, 500}};
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &interval, NULL);
    for (unsigned i = 0; forks < FORKS; i++) {
        if (forks % 3 == 1)
            fork_once();
        if (forks % 3 == 2)
            exec_nothing();
        char *block = malloc(1 + i * 7 % 70000);
        CHECK(block != NULL);
        block[0] = 1;
        free(block);
    }
    return 0;
}
