/* SPDX-License-Identifier: MIT */
/* Row 34: a child of vfork that allocates (it should not, and many do), beside threads that collect. */
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

#include "conformance.h"

static volatile int done;
extern char **environ;

static void *churn(void *data)
{
    while (!done) {
        for (int i = 0; i < 1000; i++)
            free(malloc(1000));
        collect();
    }
    return data;
}

int main(void)
{
    pthread_t thread;
    char *arguments[] = {"true", NULL};
    pthread_create(&thread, NULL, churn, NULL);
    for (int i = 0; i < 100; i++) {
        int status;
        pid_t child = vfork();
        if (child == 0) {
            free(malloc(100));
            execv("/bin/true", arguments);
            _exit(127);
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        CHECK(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) == 0);
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        CHECK(system("true") == 0);
    }
    done = 1;
    pthread_join(thread, NULL);
    return 0;
}
