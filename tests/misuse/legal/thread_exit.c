/* SPDX-License-Identifier: MIT */
/* Thread-specific data freed by its destructor, which allocates again, for several rounds; joined and detached
 * threads. */
#include "legal.h"

#include <stdatomic.h>

#define THREADS 200
#define ROUNDS 3

static pthread_key_t key;
static pthread_key_t late_key;
static atomic_int destroyed;

static void destroy(void *data)
{
    struct filled *block = data;
    uint8_t round = block->value;
    free_filled(block);
    if (round < ROUNDS)
        REQUIRE(pthread_setspecific(key, make_filled(64, (uint8_t)(round + 1))) == 0);
    else
        atomic_fetch_add(&destroyed, 1);
}

static void *work(void *data)
{
    REQUIRE(pthread_setspecific(late_key, strdup("freed by the C library's own function")) == 0);
    REQUIRE(pthread_setspecific(key, make_filled(64, 1)) == 0);
    free(malloc(1000));
    return data;
}

static void run(bool detaches)
{
    pthread_t thread = start_thread(work, NULL);
    if (detaches)
        pthread_detach(thread);
    else
        pthread_join(thread, NULL);
}

int main(void)
{
    REQUIRE(pthread_key_create(&key, destroy) == 0);
    REQUIRE(pthread_key_create(&late_key, free) == 0);
    for (int i = 0; i < THREADS; i++)
        run(i % 4 == 0);
    for (int waited = 0; atomic_load(&destroyed) != THREADS && waited < 5000; waited++)
        usleep(1000);
    REQUIRE(atomic_load(&destroyed) == THREADS);
    return 0;
}
