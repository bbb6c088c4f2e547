/* SPDX-License-Identifier: MIT */
/* Row 57: ten thousand signals a second while threads allocate and collect. */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "conformance.h"

static volatile int signals;

static void on_signal(int signal)
{
    (void)signal;
    signals++;
}

static void *churn(void *data)
{
    for (unsigned i = 0; signals < 3000; i++) {
        unsigned char *block = malloc(1 + i % 2000);
        *block = (unsigned char)i;
        CHECK(*block == (unsigned char)i);
        if (i % 3 != 0)
            free(block);
        if (i % 2000 == 0)
            collect();
    }
    return data;
}

int main(void)
{
    struct itimerval interval = {{0, 100}, {0, 100}};
    pthread_t threads[2];
    signal(SIGALRM, on_signal);
    setitimer(ITIMER_REAL, &interval, NULL);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, churn, NULL) == 0);
    churn(NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
