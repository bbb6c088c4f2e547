/* SPDX-License-Identifier: MIT */
/* Rows 25, 26, 28: threads that come and go leave nothing behind; what they allocated outlives them. */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>

#include "conformance.h"

#define THREADS 20000

static void *run(void *data)
{
    free(malloc(100));
    free(malloc(5000));
    return data == NULL ? NULL : make_held();
}

#define RESULTS 40

static int count_tasks(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/task");
    CHECK(directory != NULL);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* Only the C library's block of a thread that has ended holds it. */
static void results_wait_to_be_fetched(void)
{
    pthread_t threads[RESULTS];
    for (int i = 0; i < RESULTS; i++)
        CHECK(pthread_create(&threads[i], NULL, run, &threads) == 0);
    while (count_tasks() > 1)
        sched_yield();
    clear_stack();
    collect_and_reuse(HELD_BYTES);
    for (int i = 0; i < RESULTS; i++) {
        void *held;
        CHECK(pthread_join(threads[i], &held) == 0);
        check_held(held);
        free(held);
    }
}

int main(void)
{
    results_wait_to_be_fetched();
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
