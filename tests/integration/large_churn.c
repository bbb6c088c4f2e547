/* SPDX-License-Identifier: MIT */
/* Threads that make, fill, check and free blocks of 40 to 400 KiB while another does nothing but collect: a block that comes back
 * from what its thread has just freed is the thread's from the first instruction on. Argument: collections (300). */
#include "program.h"

#include <pthread.h>
#include <stdatomic.h>

#define WORKERS 2
#define BYTES_MIN ((size_t)40 << 10)
#define BYTES_MAX ((size_t)400 << 10)

static atomic_bool done;

static void churn_once(uint64_t *state)
{
    size_t words = (BYTES_MIN + next_random(state) % (BYTES_MAX - BYTES_MIN)) / sizeof(uint64_t);
    uint64_t value = *state;
    volatile uint64_t *block = need(malloc(words * sizeof *block));
    block[0] = block[words / 2] = block[words - 1] = value;
    for (unsigned i = value % 64; i > 0; i--)
        if (block[0] != value || block[words / 2] != value || block[words - 1] != value)
            fail("a block of %zu words is somebody else's", words);
    free((void *)block);
}

static void *work(void *arg)
{
    uint64_t state = (uintptr_t)arg + 1;
    while (!atomic_load(&done))
        churn_once(&state);
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned collections = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 300;
    pthread_t workers[WORKERS];
    check_library();
    for (uintptr_t i = 0; i < WORKERS; i++)
        if (pthread_create(&workers[i], NULL, work, (void *)i) != 0)
            fail("pthread_create");
    for (unsigned i = 0; i < collections; i++)
        collect();
    atomic_store(&done, true);
    for (uintptr_t i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    puts("ok");
    return 0;
}
