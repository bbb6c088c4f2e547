/* SPDX-License-Identifier: MIT */
/* Four threads build graphs full of cycles and drop them without freeing a node; each keeps its last few alive and
 * verifies every node of them. Argument: MiB to drop per thread (256). Under gcalloc the peak of the resident size
 * stays in bounds. */
#include "program.h"

#include <pthread.h>

#define THREADS 4
#define NODES 2000
#define KEPT 16
#define EDGES 4

struct node {
    struct node *edge[EDGES];
    struct node *all; /* the next node of the same graph */
    uint64_t value, check;
    char padding[];
};

struct worker {
    pthread_t thread;
    uint64_t random_state;
    size_t target, dropped, live;
    struct node *kept[KEPT];
    size_t kept_bytes[KEPT];
};

static uint64_t check_of(uint64_t value)
{
    return value * 0x9e3779b97f4a7c15u ^ 0x5bd1e995u;
}

/* Every node points to random others of its graph, backward and forward: nearly all of it is one knot of cycles. */
static struct node *build(struct worker *w, size_t *bytes)
{
    struct node **nodes = need(malloc(NODES * sizeof *nodes)), *first;
    *bytes = NODES * sizeof *nodes;
    for (size_t i = 0; i < NODES; i++) {
        size_t size = sizeof(struct node) + next_random(&w->random_state) % 200;
        nodes[i] = need(calloc(1, size));
        nodes[i]->value = next_random(&w->random_state);
        nodes[i]->check = check_of(nodes[i]->value);
        *bytes += size;
    }
    for (size_t i = 0; i < NODES; i++) {
        nodes[i]->all = nodes[(i + 1) % NODES];
        for (size_t e = 0; e < EDGES; e++)
            nodes[i]->edge[e] = nodes[next_random(&w->random_state) % NODES];
    }
    first = nodes[0];
    return first;
}

static void verify(const struct node *first)
{
    const struct node *n = first;
    size_t count = 0;
    do {
        if (n->check != check_of(n->value))
            fail("node %p has changed", (const void *)n);
        for (size_t e = 0; e < EDGES; e++) {
            if (n->edge[e]->check != check_of(n->edge[e]->value))
                fail("a neighbour of node %p has changed", (const void *)n);
        }
        n = n->all;
        count++;
    } while (n != first && count <= NODES);
    if (count != NODES)
        fail("a graph of %d nodes has %zu", NODES, count);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (size_t round = 0; w->dropped < w->target; round++) {
        size_t slot = round % KEPT, bytes;
        struct node *graph = build(w, &bytes);
        if (w->kept[slot])
            verify(w->kept[slot]);
        w->dropped += w->kept_bytes[slot];
        w->kept[slot] = graph;
        w->kept_bytes[slot] = bytes;
    }
    for (size_t slot = 0; slot < KEPT; slot++) {
        verify(w->kept[slot]);
        w->live += w->kept_bytes[slot];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct worker workers[THREADS];
    size_t live = 0, dropped = 0;
    check_library();
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].random_state = 1234567 + i;
        workers[i].target = (argc > 1 ? strtoull(argv[1], NULL, 10) : 256) * MIB;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            fail("pthread_create");
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        live += workers[i].live;
        dropped += workers[i].dropped;
    }
    check_peak("cyclic_threads", live, dropped);
    return 0;
}
