/* SPDX-License-Identifier: MIT */
/* Rows 25, 26, 28: threads that come and go leave nothing behind; what they allocated outlives them. */
#include <pthread.h>

#include "conformance.h"

#define THREADS 20000

static void *run(void *data)
{
    free(malloc(100));
    free(malloc(5000));
    return data == NULL ? NULL : make_held();
}

int main(void)
{
    size_t before = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_t threads[4];
        for (int k = 0; k < 4; k++, i += k < 4)
            CHECK(pthread_create(&threads[k], NULL, run, i % 10 == 0 ? &threads : NULL) == 0);
        for (int k = 0; k < 4; k++) {
            void *held;
            pthread_join(threads[k], &held);
            if (held != NULL) {
                check_held(held);
                free(held);
            }
        }
        if (i < THREADS / 4)
            before = resident_bytes();
    }
    CHECK(resident_bytes() < before + (4096 << 10));
    return 0;
}
