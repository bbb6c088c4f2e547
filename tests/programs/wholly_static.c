/* SPDX-License-Identifier: MIT */
/* A program that is linked without any shared library: no loader is there to find the C library's own functions. */
#include <errno.h>
#include <gcalloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

static volatile sig_atomic_t noted;

static void note(int signal)
{
    noted = signal;
}

int main(void)
{
    int ends[2];
    char *text = strdup("through a pipe");
    char *copy = malloc(100);
    CHECK(text != NULL && copy != NULL && pipe(ends) == 0);
    CHECK(write(ends[1], text, strlen(text) + 1) == (ssize_t)strlen(text) + 1);
    CHECK(read(ends[0], copy, 100) == (ssize_t)strlen(text) + 1);
    CHECK(strcmp(text, copy) == 0);
    free(text);
    for (int i = 0; i < 10000; i++)
        if (malloc(100) == NULL)
            return 2;
    CHECK(gca_collect() > 100000);
    struct sigaction action = {.sa_handler = note};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(raise(SIGUSR1) == 0 && noted == 0);
    int descriptor = signalfd(-1, &set, SFD_CLOEXEC);
    CHECK(descriptor >= 0 && close(descriptor) == 0);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0 && noted == SIGUSR1);
    CHECK(sigprocmask(12345, &set, NULL) == -1 && errno == EINVAL);
    CHECK(printf("%s\n", copy) > 0 && fflush(stdout) == 0);
    return 0;
}
