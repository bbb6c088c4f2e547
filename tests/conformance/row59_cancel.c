/* SPDX-License-Identifier: MIT */
/* Rows 18, 59, 60: cancelling a thread in a call that waits or reports, or leaving it by longjmp, keeps nothing locked. */
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

#include "conformance.h"

static void *sleep_long(void *data)
{
    struct timespec time = {100, 0};
    nanosleep(&time, NULL);
    return data;
}

static void *poll_long(void *data)
{
    poll(NULL, 0, 100000);
    return data;
}

static void *wait_epoll(void *data)
{
    struct epoll_event event;
    epoll_wait(epoll_create1(0), &event, 1, -1);
    return data;
}

static volatile int blocked_in_cleanup;
static volatile int is_over;

static void look_at_mask(void *data)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    blocked_in_cleanup += sigismember(&mask, SIGUSR1);
    free(data);
}

static void *read_forever(void *data)
{
    char byte;
    pthread_cleanup_push(look_at_mask, malloc(10));
    CHECK(read(*(int *)data, &byte, 1) == 0);
    pthread_cleanup_pop(0);
    return data;
}

static void *collect_forever(void *data)
{
    while (!is_over)
        if (!collect())
            break;
    return data;
}

/* Being cancelled in the middle of a stop is being cancelled in the call that waits. */
static void cancel_beside_collections(void)
{
    int ends[2];
    pthread_t collector;
    CHECK(pipe(ends) == 0);
    CHECK(pthread_create(&collector, NULL, collect_forever, NULL) == 0);
    for (int i = 0; i < 300; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, read_forever, &ends[0]) == 0);
        usleep((useconds_t)(i % 10 * 100));
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    is_over = 1;
    pthread_join(collector, NULL);
    CHECK(blocked_in_cleanup == 0);
}

static void *report_forever(void *data)
{
    for (;;) {
        malloc_stats();
        malloc_info(0, data);
        pthread_testcancel();
    }
    return NULL;
}

/* Figures are written, which may wait; here to nowhere. */
static void cancel_in_reports(void)
{
    int error = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY);
    FILE *stream = fdopen(dup(nowhere), "w");
    CHECK(error >= 0 && stream != NULL && dup2(nowhere, STDERR_FILENO) == STDERR_FILENO);
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, report_forever, stream) == 0);
        usleep((useconds_t)(i % 10 * 50));
        CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, NULL) == 0);
        free(malloc(100));
    }
    malloc_stats();
    CHECK(dup2(error, STDERR_FILENO) == STDERR_FILENO);
    close(error);
    close(nowhere);
}

static sigjmp_buf buffer;

static void leave(int signal)
{
    (void)signal;
    siglongjmp(buffer, 1);
}

int main(void)
{
    void *(*const jobs[])(void *) = {sleep_long, poll_long, wait_epoll};
    for (int i = 0; i < 30; i++) {
        pthread_t thread;
        void *result;
        CHECK(pthread_create(&thread, NULL, jobs[i % 3], NULL) == 0);
        usleep(1000);
        collect();
        CHECK(pthread_cancel(thread) == 0);
        collect();
        pthread_join(thread, &result);
        CHECK(result == PTHREAD_CANCELED);
    }
    cancel_beside_collections();
    cancel_in_reports();
    signal(SIGALRM, leave);
    for (volatile int i = 0; i < 5; i++) {
        if (sigsetjmp(buffer, 1) == 0) {
            ualarm(2000, 0);
            poll(NULL, 0, 100000);
            CHECK(0);
        }
        collect();
        free(malloc(100));
    }
    return 0;
}
