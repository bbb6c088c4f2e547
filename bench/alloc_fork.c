/* SPDX-License-Identifier: MIT */
/* alloc_fork FORKS: three threads allocate and free all the time while the main thread forks FORKS times. Each child
 * allocates, gives memory back (malloc_trim, which collects in gcalloc), starts a thread that allocates, and ends. Reports
 * how many children hung: not at their end after ten seconds.
 */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "bench.h"

#define THREADS 3
#define LIVE 1000
#define BYTES_LOW 16
#define BYTES_HIGH 1000
#define CHILD_BLOCKS 200
#define PATIENCE_MS 10000

static atomic_int is_over;

static void *churn(void *data)
{
    uint64_t state = (uintptr_t)data;
    void *blocks[LIVE] = {NULL};
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        uint64_t random = bench_random(&state);
        void **place = &blocks[(random >> 32) % LIVE];
        free(*place);
        *place = bench_make(bench_size(random, BYTES_LOW, BYTES_HIGH));
    }
    for (size_t i = 0; i < LIVE; i++)
        free(blocks[i]);
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
    if (pthread_create(&thread, NULL, allocate_some, (void *)2) == 0)
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

int main(int count, char **words)
{
    pthread_t threads[THREADS];
    uint64_t hung = 0;
    bench_check_allocator();
    uint64_t forks = bench_number(count, words, 1);
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, churn, (void *)(i + 1)) != 0)
            bench_fail("no more threads");
    for (uint64_t i = 0; i < forks; i++) {
        pid_t child = fork();
        if (child < 0)
            bench_fail("no more processes");
        if (child == 0)
            live_as_child();
        hung += !has_ended(child);
    }
    atomic_store(&is_over, 1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    bench_report("forks", (double)forks);
    bench_report("hung", (double)hung);
    return 0;
}
