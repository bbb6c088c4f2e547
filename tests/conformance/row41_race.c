/* SPDX-License-Identifier: MIT */
/* Row 41: two threads free one block at the same instant, its maker and another, or two others. The process ends with the
 * line about it, or no harm is done: no two of the blocks that are handed out afterwards are one. Each try is a child. */
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

#include "conformance.h"

#define TRIES 150
#define BLOCKS 3000

static pthread_barrier_t barrier;
static char *blocks[BLOCKS];

static void *free_block(void *block)
{
    pthread_barrier_wait(&barrier);
    free(block);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const char *one = *(char *const *)a, *other = *(char *const *)b;
    return (one > other) - (one < other);
}

static void check_all_differ(size_t bytes)
{
    for (int i = 0; i < BLOCKS; i++)
        CHECK((blocks[i] = malloc(bytes)) != NULL);
    qsort(blocks, BLOCKS, sizeof *blocks, compare);
    for (int i = 1; i < BLOCKS; i++)
        CHECK(blocks[i] - blocks[i - 1] >= (ptrdiff_t)bytes);
}

/* Neighbours live, as they would. */
static void free_twice(size_t bytes, int is_maker)
{
    pthread_t threads[2];
    char *around[64];
    for (int i = 0; i < 64; i++)
        CHECK((around[i] = malloc(bytes)) != NULL);
    pthread_barrier_init(&barrier, NULL, 2);
    CHECK(pthread_create(&threads[0], NULL, free_block, around[32]) == 0);
    if (is_maker)
        free_block(around[32]);
    else
        CHECK(pthread_create(&threads[1], NULL, free_block, around[32]) == 0);
    for (int i = 0; i < 2 - is_maker; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    check_all_differ(bytes);
}

int main(void)
{
    static const size_t sizes[] = {16, 100, 3000};
    int seen = 0;
    if (!collect())
        return 0; /* the C library promises nothing of this */
    for (int i = 0; i < TRIES; i++) {
        int status;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            close(STDERR_FILENO);
            free_twice(sizes[i % 3], i / 3 % 2);
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0) || (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT));
        seen += WIFSIGNALED(status);
    }
    printf("%d of %d were seen\n", seen, TRIES);
    return 0;
}
