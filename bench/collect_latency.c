/* SPDX-License-Identifier: MIT */
/* collect_latency MIB OPERATIONS: what a program feels of its collector. Beside a random graph of MIB MiB that lives, each
 * operation makes a small list and drops it, and is timed by the clock of the wall: pause_* are the times of operations at
 * the percentiles, in microseconds. An operation takes a microsecond or two when nothing comes between.
 */
#include "collector.h"

#define NODE_BYTES 64
#define POINTERS 4
#define LIST_NODES 20
#define MIB_BYTES ((size_t)1 << 20)

struct node {
    struct node *fields[NODE_BYTES / sizeof(void *)];
};

static struct node *volatile kept;

static void build_graph(size_t count, uint64_t *state)
{
    struct node **nodes = collector_new(count * sizeof(void *));
    for (size_t i = 0; i < count; i++)
        nodes[i] = collector_new(NODE_BYTES);
    for (size_t i = 0; i < count; i++)
        for (int k = 0; k < POINTERS; k++)
            nodes[i]->fields[k] = nodes[bench_random(state) % count];
    kept = nodes[0];
}

static void operate(void)
{
    struct node *list = NULL;
    for (int i = 0; i < LIST_NODES; i++) {
        struct node *node = collector_new(NODE_BYTES);
        node->fields[0] = list;
        list = node;
    }
    while (list != NULL) {
        struct node *next = list->fields[0];
        collector_free(list);
        list = next;
    }
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

int main(int count, char **words)
{
    uint64_t state = 1;
    collector_start();
    size_t bytes = bench_number(count, words, 1) * MIB_BYTES;
    uint64_t operations = bench_number(count, words, 2);
    build_graph(bytes / NODE_BYTES, &state);
    float *times = collector_new_atomic(operations * sizeof *times);
    double before = bench_seconds(CLOCK_MONOTONIC);
    for (uint64_t i = 0; i < operations; i++) {
        operate();
        double now = bench_seconds(CLOCK_MONOTONIC);
        times[i] = (float)((now - before) * 1e6);
        before = now;
    }
    qsort(times, operations, sizeof *times, compare);
    bench_report("pause_p50_us", times[operations / 2]);
    bench_report("pause_p99_us", times[operations / 100 * 99]);
    bench_report("pause_p999_us", times[operations / 1000 * 999]);
    bench_report("pause_max_us", times[operations - 1]);
    return 0;
}
