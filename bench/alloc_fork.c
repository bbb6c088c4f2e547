/* SPDX-License-Identifier: MIT */
/* alloc_fork FORKS: the main thread forks FORKS times, each time while three threads are in the midst of allocating and
 * freeing; they do the same work for each fork, however long a child takes. Each child allocates, gives memory back
 * (malloc_trim, which collects in gcalloc), starts a thread that allocates, and ends. Reports how many children hung: not at
 * their end after ten seconds.
 */
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>

#include "bench.h"

#define THREADS 3
#define LIVE 1000
#define OPERATIONS_A_FORK 20000
#define OPERATIONS_BEFORE_FORK 100
#define BYTES_LOW 16
#define BYTES_HIGH 1000
#define CHILD_BLOCKS 200
#define PATIENCE_MS 10000

struct churner {
    pthread_t thread;
    sem_t may_begin;
    uint64_t forks;
    uint64_t random;
    void *blocks[LIVE];
};

static sem_t has_begun;

static void wait_until(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}

static void replace(struct churner *churner, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t random = bench_random(&churner->random);
        void **place = &churner->blocks[(random >> 32) % LIVE];
        free(*place);
        *place = bench_make(bench_size(random, BYTES_LOW, BYTES_HIGH));
    }
}

static void *churn(void *data)
{
    struct churner *churner = data;
    for (uint64_t i = 0; i < churner->forks; i++) {
        wait_until(&churner->may_begin);
        replace(churner, OPERATIONS_BEFORE_FORK);
        sem_post(&has_begun);
        replace(churner, OPERATIONS_A_FORK - OPERATIONS_BEFORE_FORK);
    }
    for (size_t i = 0; i < LIVE; i++)
        free(churner->blocks[i]);
    return NULL;
}

static void *allocate_some(void *data)
{
    void *blocks[CHILD_BLOCKS];
    uint64_t state = (uintptr_t)data;
    for (size_t i = 0; i < CHILD_BLOCKS; i++)
        blocks[i] = bench_make(bench_size(bench_random(&state), BYTES_LOW, BYTES_HIGH));
    for (size_t i = 0; i < CHILD_BLOCKS; i++)
        free(blocks[i]);
    return NULL;
}

static void live_as_child(void)
{
    pthread_t thread;
    allocate_some((void *)1);
    malloc_trim(0);
    if (pthread_create(&thread, NULL, allocate_some, (void *)2) != 0)
        bench_fail("no more threads in a child");
    pthread_join(thread, NULL);
    _exit(0);
}

/* Whether the child came to its end; if not, it is killed. */
static int has_ended(pid_t child)
{
    double start = bench_seconds(CLOCK_MONOTONIC);
    int status;
    unsigned looks = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (bench_seconds(CLOCK_MONOTONIC) - start > PATIENCE_MS / 1000.0) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return 0;
        }
        if (++looks % 16 == 0)
            bench_sleep_ms(1);
        else
            bench_yield();
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_fail("a child did not end as it should");
    return 1;
}

static int fork_once(struct churner *churners)
{
    for (int i = 0; i < THREADS; i++)
        sem_post(&churners[i].may_begin);
    for (int i = 0; i < THREADS; i++)
        wait_until(&has_begun);
    pid_t child = fork();
    if (child < 0)
        bench_fail("no more processes");
    if (child == 0)
        live_as_child();
    return has_ended(child);
}

int main(int count, char **words)
{
    static struct churner churners[THREADS];
    uint64_t hung = 0;
    bench_check_allocator();
    uint64_t forks = bench_number(count, words, 1);
    sem_init(&has_begun, 0, 0);
    for (uint64_t i = 0; i < THREADS; i++) {
        churners[i].forks = forks;
        churners[i].random = i + 1;
        sem_init(&churners[i].may_begin, 0, 0);
        if (pthread_create(&churners[i].thread, NULL, churn, &churners[i]) != 0)
            bench_fail("no more threads");
    }
    for (uint64_t i = 0; i < forks; i++)
        hung += !fork_once(churners);
    for (int i = 0; i < THREADS; i++)
        pthread_join(churners[i].thread, NULL);
    bench_report("forks", (double)forks);
    bench_report("hung", (double)hung);
    return 0;
}
