/* SPDX-License-Identifier: MIT */
/* Row 30: fork beside getline and fflush(NULL), which hold the C library's lock of streams while they allocate. */
#include <pthread.h>
#include <sys/wait.h>

#include "conformance.h"

static volatile int done;

static void *read_lines(void *data)
{
    while (!done) {
        char *line = NULL;
        size_t bytes = 0;
        FILE *file = fopen("/etc/passwd", "r");
        while (file != NULL && getline(&line, &bytes, file) > 0)
            ;
        free(line);
        fclose(file);
    }
    return data;
}

static void *flush_all(void *data)
{
    while (!done)
        fflush(NULL);
    return data;
}

static void *allocate(void *data)
{
    while (!done) {
        free(malloc(100));
        free(malloc(100000));
    }
    return data;
}

int main(void)
{
    pthread_t threads[3];
    alarm(60);
    pthread_create(&threads[0], NULL, read_lines, NULL);
    pthread_create(&threads[1], NULL, flush_all, NULL);
    pthread_create(&threads[2], NULL, allocate, NULL);
    for (int i = 0; i < 400; i++) {
        int status;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            free(malloc(1000));
            fflush(NULL);
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    done = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
