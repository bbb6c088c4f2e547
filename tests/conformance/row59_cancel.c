/* SPDX-License-Identifier: MIT */
/* Rows 59, 60: cancelling a thread in a call that waits, or leaving it by longjmp, keeps nothing locked. */
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
