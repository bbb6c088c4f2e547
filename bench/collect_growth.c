/* SPDX-License-Identifier: MIT */
/* collect_growth MIB: a heap grows to MIB MiB of objects of 64 bytes that live, and as many are dropped on the way. Reported
 * is the processor time for each byte that lives, doubling by doubling: where the cost of a collection is in proportion to
 * what has grown since the last, it stays the same. growth_ratio: the last doubling's to the median.
 */
#include <inttypes.h>

#include "collector.h"

#define NODE_BYTES 64
#define MIB_BYTES ((size_t)1 << 20)
#define DOUBLINGS_MAX 32

struct node {
    struct node *next;
    struct node *other;
    uint64_t rest[NODE_BYTES / sizeof(uint64_t) - 2];
};

static struct node *kept;

static void grow(size_t bytes)
{
    for (size_t i = 0; i < bytes / NODE_BYTES; i++) {
        struct node *node = collector_new(sizeof *node);
        struct node *dropped = collector_new(sizeof *dropped);
        node->next = kept;
        dropped->other = node;
        kept = node;
        collector_free(dropped);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int count, char **words)
{
    double cost[DOUBLINGS_MAX];
    int doublings = 0;
    char name[32];
    collector_start();
    uint64_t highest = bench_number(count, words, 1);
    grow(MIB_BYTES);
    for (uint64_t mib = 1; 2 * mib <= highest && doublings < DOUBLINGS_MAX; mib *= 2) {
        double start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
        grow(mib * MIB_BYTES);
        cost[doublings] = (bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e9 / (double)(mib * MIB_BYTES);
        snprintf(name, sizeof name, "growth_%" PRIu64 "_mib", 2 * mib);
        bench_report(name, cost[doublings++]);
    }
    if (doublings == 0)
        bench_fail("MIB is 2 or more");
    double last = cost[doublings - 1];
    qsort(cost, (size_t)doublings, sizeof *cost, compare);
    bench_report("growth_ratio", last / cost[doublings / 2]);
    return 0;
}
