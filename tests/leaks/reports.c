/* SPDX-License-Identifier: MIT */
/* gca_leaks_report and gca_profile_graph, beside a thread that sleeps: growth between two reports, and what can go wrong. */
#include <errno.h>
#include <fcntl.h>
#include <gcalloc/profile.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition) ((condition) ? (void)0 : (fprintf(stderr, "line %d: not %s\n", __LINE__, #condition), exit(1)))

static __attribute__((noinline)) void plant(int count)
{
    for (int i = 0; i < count; i++)
        memset(malloc(64), 1, 64);
}

static void *sleep_on(void *unused)
{
    pause();
    return unused;
}

static __attribute__((noinline)) void overwrite_stack(void)
{
    char bytes[8192];
    memset(bytes, 0, sizeof bytes);
    __asm__ volatile("" : : "r"(bytes) : "memory");
}

/* Objects that the report's first line names. */
static int count_leaked(void)
{
    static char text[65536];
    int ends[2];
    int bytes;
    int objects = -1;
    overwrite_stack();
    CHECK(pipe(ends) == 0);
    CHECK(gca_leaks_report(ends[1]) == 0);
    close(ends[1]);
    ssize_t count = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    CHECK(count > 0);
    text[count] = '\0';
    if (strstr(text, " has leaked nothing\n") != NULL)
        return 0;
    const char *found = strstr(text, " has leaked ");
    CHECK(found != NULL && sscanf(found, " has leaked %d byte(s) in %d object(s)", &bytes, &objects) == 2);
    CHECK(bytes == 64 * objects);
    return objects;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    pthread_create(&thread, NULL, sleep_on, NULL);
    usleep(20000);
    CHECK(count_leaked() == 0);
    plant(10);
    CHECK(count_leaked() == 10);
    plant(5);
    CHECK(count_leaked() == 15);
    CHECK(count_leaked() == 15); /* nothing was freed by that */
    CHECK(gca_leaks_report(-1) == EIO);
    CHECK(argc == 2 && gca_profile_graph(argv[1]) == 0);
    CHECK(gca_profile_graph(argv[1]) == EEXIST);
    CHECK(gca_profile_graph(NULL) == EINVAL);
    CHECK(gca_profile_graph("/nonexistent/file") == ENOENT);
    _exit(0); /* no report of its own */
}
