/* SPDX-License-Identifier: MIT */
/* A process to be asked: 100 lost blocks of 64 bytes, 1000 that a list keeps, and then what the argument says, until it is
 * killed. Prints "ready" when it is that far. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct node {
    struct node *next;
    char rest[56];
};

static struct node *volatile kept;

static __attribute__((noinline)) void plant(void)
{
    for (int i = 0; i < 100; i++)
        memset(malloc(64), 1, 64);
    for (int i = 0; i < 1000; i++) {
        struct node *node = calloc(1, sizeof *node);
        node->next = kept;
        kept = node;
    }
}

/* What plant has left on the stack below is of no use to anybody. */
static __attribute__((noinline)) void overwrite_stack(void)
{
    char bytes[4096];
    memset(bytes, 0, sizeof bytes);
    __asm__ volatile("" : : "r"(bytes) : "memory");
}

static void *work(void *seed)
{
    unsigned state = (unsigned)(size_t)seed;
    char *blocks[256] = {0};
    for (;;) {
        state = state * 1664525 + 1013904223;
        unsigned k = state >> 24;
        free(blocks[k]);
        blocks[k] = malloc((state >> 8) % 2000 + 1);
        if (blocks[k] == NULL)
            abort();
        blocks[k][0] = (char)k;
    }
    return NULL;
}

static void start_threads(void)
{
    for (size_t i = 1; i <= 4; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, work, (void *)i);
    }
}

/* By the system call, as the library keeps its signal open. */
static void change_all(int how)
{
    unsigned long all = ~0UL;
    syscall(SYS_rt_sigprocmask, how, &all, NULL, sizeof all);
}

static void take_all(void)
{
    for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++)
        if (sigaction(signal, &(struct sigaction){.sa_handler = SIG_IGN}, NULL) != 0)
            abort();
}

/* Ten naps of 100 ms: if a request cut them short, "slept" would come too soon. */
static void nap(void)
{
    struct timespec from;
    struct timespec to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < 10; i++)
        if (usleep(100000) != 0)
            abort();
    clock_gettime(CLOCK_MONOTONIC, &to);
    double seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    printf("slept %d\n", seconds >= 1.0 && seconds < 3.0);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "sleep";
    plant();
    overwrite_stack();
    if (strcmp(what, "threads") == 0)
        start_threads();
    if (strcmp(what, "block") == 0)
        change_all(SIG_BLOCK);
    if (strcmp(what, "take") == 0)
        take_all();
    if (strcmp(what, "fork") == 0 && fork() == 0)
        plant(); /* the child has lost twice as much */
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    if (strcmp(what, "block_for_a_while") == 0) {
        change_all(SIG_BLOCK);
        usleep(500000);
        change_all(SIG_UNBLOCK);
    }
    if (strcmp(what, "nap") == 0)
        nap();
    for (;;)
        pause();
}
