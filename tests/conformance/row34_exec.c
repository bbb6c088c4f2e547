/* SPDX-License-Identifier: MIT */
/* Row 34: a program that execs while another of its threads collects: no signal that stops threads meets the new program,
 * whichever function execs, and the arguments arrive. */
#include <pthread.h>
#include <sys/wait.h>

#include "conformance.h"

#define ROUNDS 40

static void *collect_forever(void *data)
{
    for (;;)
        if (!collect())
            return data;
}

static void exec_by(int way)
{
    char *const arguments[] = {"sh", "-c", "test \"$0$1\" = ab -a \"$ROW\" = 34", "a", "b", NULL};
    char *const environment[] = {"ROW=34", NULL};
    switch (way) {
    case 0:
        execl("/bin/sh", "sh", "-c", arguments[2], "a", "b", (char *)NULL);
        break;
    case 1:
        execlp("sh", "sh", "-c", arguments[2], "a", "b", (char *)NULL);
        break;
    case 2:
        execle("/bin/sh", "sh", "-c", arguments[2], "a", "b", (char *)NULL, environment);
        break;
    case 3:
        execv("/bin/sh", arguments);
        break;
    case 4:
        execvp("sh", arguments);
        break;
    default:
        execve("/bin/sh", arguments, environment);
    }
}

static void run_child(int way)
{
    pthread_t thread;
    setenv("ROW", "34", 1);
    CHECK(pthread_create(&thread, NULL, collect_forever, NULL) == 0);
    usleep((useconds_t)(way * 50));
    exec_by(way);
    _exit(2);
}

int main(void)
{
    for (int i = 0; i < 6 * ROUNDS; i++) {
        int status;
        pid_t child = fork();
        if (child == 0)
            run_child(i % 6);
        CHECK(waitpid(child, &status, 0) == child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fprintf(stderr, "way %d: status %x\n", i % 6, (unsigned)status);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    return 0;
}
