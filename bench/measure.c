/* SPDX-License-Identifier: MIT */
/* measure TITLE ALLOCATOR PRELOAD REPEAT PROGRAM ARGS...: runs the program REPEAT times, one after the other, and prints
 * one line of JSON: means of processor and wall time, the highest resident size. PRELOAD is a library or `-`.
 *
 * Linked statically: the kernel hands a parent's peak size on to its children, so the parent has to be smaller than any.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000.0
#define US_PER_S 1000000.0

struct sample {
    double cpu_seconds;
    double wall_seconds;
    long peak_kib;
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    if (clock_gettime(CLOCK_MONOTONIC, &time) != 0)
        fail("clock_gettime");
    return (double)time.tv_sec + (double)time.tv_nsec / NS_PER_S;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / US_PER_S;
}

static void start_program(const char *preload, char **words)
{
    if (strcmp(preload, "-") != 0 && setenv("LD_PRELOAD", preload, 1) != 0)
        fail("setenv");
    execvp(words[0], words);
    perror(words[0]);
    _exit(127);
}

static struct sample run_once(const char *preload, char **words)
{
    struct rusage used;
    int status = 0;
    double begin = now();
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0)
        start_program(preload, words);
    if (wait4(child, &status, 0, &used) != child)
        fail("wait4");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "measure: %s failed (status 0x%x)\n", words[0], (unsigned)status);
        exit(1);
    }
    return (struct sample){seconds(used.ru_utime) + seconds(used.ru_stime), now() - begin, used.ru_maxrss};
}

int main(int count, char **words)
{
    char *end = NULL;
    long repeat = count > 5 ? strtol(words[4], &end, 10) : 0;
    if (repeat <= 0 || *end != '\0') {
        fputs("usage: measure TITLE ALLOCATOR PRELOAD REPEAT PROGRAM ARGS...\n", stderr);
        return 2;
    }
    struct sample sum = {0, 0, 0};
    for (long i = 0; i < repeat; i++) {
        struct sample one = run_once(words[3], words + 5);
        sum.cpu_seconds += one.cpu_seconds;
        sum.wall_seconds += one.wall_seconds;
        sum.peak_kib = one.peak_kib > sum.peak_kib ? one.peak_kib : sum.peak_kib;
    }
    printf("{\"program\": \"%s\", \"allocator\": \"%s\", \"runs\": %ld, \"cpu_ms\": %.4f, \"wall_ms\": %.4f, "
           "\"peak_kib\": %ld}\n",
           words[1], words[2], repeat, sum.cpu_seconds * 1e3 / (double)repeat, sum.wall_seconds * 1e3 / (double)repeat,
           sum.peak_kib);
    return 0;
}
