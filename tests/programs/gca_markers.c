/* SPDX-License-Identifier: MIT */
/* Collections that are checked (option verify), with every set of instructions and 1, 2, 4 and 8 markers, while four threads
 * change a graph. The seed is printed; MARKERS_SEED sets it. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS 4
#define FIELDS 6
#define WINDOW 3000
#define ROUNDS 1

struct node {
    uint64_t id;
    uint64_t size;
    struct node *fields[FIELDS]; /* as many as fit */
};

static _Atomic int is_over;
static struct node *_Atomic exchange[64]; /* from thread to thread */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t id_of(const struct node *node)
{
    return ~(uint64_t)(uintptr_t)node * UINT64_C(0x9e3779b97f4a7c15);
}

/* Small ones, some of a page and more, a few large. */
static struct node *make(uint64_t *random)
{
    uint64_t r = next_random(random);
    size_t size = sizeof(struct node) + (r % 3 == 0 ? 0 : (r >> 8) % (r % 97 == 0 ? 300000 : r % 11 == 0 ? 5000 : 200));
    struct node *node = gca_malloc(size);
    CHECK(node != NULL);
    node->id = id_of(node);
    node->size = size;
    return node;
}

static void check(const struct node *node)
{
    CHECK(node == NULL || node->id == id_of(node));
    for (int i = 0; node != NULL && i < FIELDS; i++)
        CHECK(node->fields[i] == NULL || node->fields[i]->id == id_of(node->fields[i]));
}

static void *mutate(void *data)
{
    uint64_t random = (uintptr_t)data * 77 + 1;
    struct node **window = gca_calloc(WINDOW, sizeof *window);
    while (!is_over) {
        uint64_t r = next_random(&random);
        struct node **place = &window[(r >> 10) % WINDOW];
        check(*place);
        if (r % 4 == 0)
            *place = make(&random);
        else if (r % 4 == 1 && *place != NULL)
            (*place)->fields[(r >> 4) % FIELDS] = window[(r >> 30) % WINDOW];
        else if (r % 4 == 2)
            *place = atomic_exchange(&exchange[(r >> 4) % 64], *place);
        else if (*place != NULL && (r >> 50) % 8 == 0)
            *place = (*place)->fields[0];
    }
    for (int i = 0; i < WINDOW; i++)
        check(window[i]);
    return NULL;
}

static void collect_in_every_way(void)
{
    static const char *const simds[] = {"scalar", "avx2", "avx512", "auto"};
    static const char *const markers[] = {"1", "2", "4", "8", "16", "0"};
    for (size_t i = 0; i < sizeof simds / sizeof *simds; i++)
        for (size_t j = 0; j < sizeof markers / sizeof *markers; j++) {
            CHECK(gca_option_set("simd", simds[i]) == 0 && gca_option_set("markers", markers[j]) == 0);
            gca_collect();
        }
}

int main(void)
{
    pthread_t threads[THREADS];
    const char *given = getenv("MARKERS_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)getpid();
    printf("MARKERS_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    CHECK(gca_option_set("verify", "1") == 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, mutate, (void *)(seed * THREADS + i)) == 0);
    for (int round = 0; round < ROUNDS; round++)
        collect_in_every_way();
    is_over = 1;
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return check_failures != 0;
}
