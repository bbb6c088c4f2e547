/* SPDX-License-Identifier: MIT */
/* The child of fork frees blocks of threads that run, that have ended and that fork; so does the parent. */
#include "legal.h"

#include <semaphore.h>
#include <sys/wait.h>

#define THREADS 4
#define BLOCKS 3000
#define CHILDREN 10

static struct filled *blocks[THREADS][BLOCKS];
static sem_t made;
static sem_t may_end;

static void *make(void *data)
{
    uintptr_t number = (uintptr_t)data;
    uint32_t random = (uint32_t)number + 1;
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[number][i] = make_filled(next_random(&random) % (i % 100 == 0 ? 50000 : 300), (uint8_t)i);
    sem_post(&made);
    if (number % 2 == 0)
        sem_wait(&may_end);
    return NULL;
}

static void free_all(void)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t thread = 0; thread < THREADS; thread++)
            free_filled(blocks[thread][i]);
    }
}

static void run_child(void)
{
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        free_all();
        gca_collect();
        for (uint32_t i = 0; i < 10000; i++)
            free_filled(make_filled(i % 1000, 1));
        exit(0);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child && status == 0);
}

int main(void)
{
    pthread_t threads[THREADS];
    sem_init(&made, 0, 0);
    sem_init(&may_end, 0, 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        threads[i] = start_thread(make, (void *)i);
    for (size_t i = 0; i < THREADS; i++)
        sem_wait(&made);
    for (size_t i = 1; i < THREADS; i += 2)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CHILDREN; i++)
        run_child();
    for (size_t i = 0; i < THREADS; i += 2)
        sem_post(&may_end);
    for (size_t i = 0; i < THREADS; i += 2)
        pthread_join(threads[i], NULL);
    free_all();
    return 0;
}
