/* SPDX-License-Identifier: MIT */
/* Row 61: errno and rounding modes are the thread's own across a stop. */
#include <fenv.h>
#include <pthread.h>

#include "conformance.h"

static volatile int done;

static void *compute(void *data)
{
    CHECK(fesetround(FE_UPWARD) == 0);
    unsigned short control;
    unsigned mxcsr;
    for (unsigned i = 1; !done; i++) {
        errno = (int)i;
        for (int k = 0; k < 1000; k++)
            __asm__ volatile("" : : : "memory"); /* errno is read again, not known */
        CHECK(errno == (int)i);
        CHECK(fegetround() == FE_UPWARD);
        __asm__ volatile("fnstcw %0" : "=m"(control));
        __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
        CHECK((control & 0xc00) == 0x800 && (mxcsr & 0x6000) == 0x4000);
    }
    return data;
}

int main(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, compute, NULL) == 0);
    for (int i = 0; i < 200; i++) {
        collect();
        usleep(500);
    }
    done = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
