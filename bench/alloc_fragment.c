/* SPDX-License-Identifier: MIT */
/* alloc_fragment MIB ROUNDS: the pattern of Robson ("Bounds for some functions concerning dynamic storage allocation", 1974):
 * blocks of one size, of which all but every second are freed, so that no two free neighbours together hold a block of
 * twice the size; then that size, and so on. At most MIB mebibytes live. Reports the highest resident size over that.
 */
#include "bench.h"

#define BYTES_LOW 16
#define DOUBLINGS 10
#define BYTES_PER_KIB 1024

struct item {
    char *block;
    size_t bytes;
};

static struct item *items;
static size_t item_count;

static void fill(size_t bytes, size_t live_bytes, size_t budget_bytes)
{
    for (; live_bytes + bytes <= budget_bytes; live_bytes += bytes) {
        items[item_count++] = (struct item){bench_make(bytes), bytes};
        memset(items[item_count - 1].block, 1, bytes);
    }
}

/* Keeps every second; returns the bytes of those. */
static size_t thin_out(void)
{
    size_t kept = 0;
    size_t live_bytes = 0;
    for (size_t i = 0; i < item_count; i++) {
        if (i % 2 != 0) {
            free(items[i].block);
            continue;
        }
        live_bytes += items[i].bytes;
        items[kept++] = items[i];
    }
    item_count = kept;
    return live_bytes;
}

static double run_once(size_t budget_bytes, double before_kib)
{
    double highest_kib = 0;
    size_t live_bytes = 0;
    for (unsigned doubling = 0; doubling <= DOUBLINGS; doubling++) {
        fill((size_t)BYTES_LOW << doubling, live_bytes, budget_bytes);
        double kib = bench_rss_kib() - before_kib;
        highest_kib = kib > highest_kib ? kib : highest_kib;
        live_bytes = thin_out();
    }
    while (item_count > 0)
        free(items[--item_count].block);
    return highest_kib;
}

int main(int count, char **words)
{
    bench_check_allocator();
    size_t budget_bytes = bench_number(count, words, 1) << 20;
    uint64_t rounds = bench_number(count, words, 2);
    double highest_kib = 0;
    items = malloc(budget_bytes / BYTES_LOW * sizeof *items);
    if (items == NULL)
        bench_fail("out of memory");
    memset(items, 0, budget_bytes / BYTES_LOW * sizeof *items);
    double before_kib = bench_rss_kib();
    for (uint64_t i = 0; i < rounds; i++) {
        double kib = run_once(budget_bytes, before_kib);
        highest_kib = kib > highest_kib ? kib : highest_kib;
    }
    bench_report("live_kib", (double)budget_bytes / BYTES_PER_KIB);
    bench_report("rss_ratio", highest_kib * BYTES_PER_KIB / (double)budget_bytes);
    free(items);
    return 0;
}
