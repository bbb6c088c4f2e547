/* SPDX-License-Identifier: MIT */
/* alloc_drift LIVE_MIB OPERATIONS: the same number of bytes lives all the time, in blocks whose size doubles from phase to
 * phase, from 64 bytes to 8 KiB, and then halves again. What was free for one size must serve the others. Reports the
 * highest resident size over what lives.
 */
#include "bench.h"

#define SEED 88172645463325252u
#define BYTES_LOW 64
#define DOUBLINGS 7
#define BYTES_PER_KIB 1024

struct item {
    char *block;
    size_t bytes;
};

struct heap {
    struct item *items;
    size_t count;
    size_t live_bytes;
    size_t budget_bytes;
    uint64_t random;
};

static void drop_one(struct heap *heap)
{
    size_t at = bench_random(&heap->random) % heap->count;
    heap->live_bytes -= heap->items[at].bytes;
    free(heap->items[at].block);
    heap->items[at] = heap->items[--heap->count];
}

static void add_one(struct heap *heap, size_t mean_bytes)
{
    size_t bytes = mean_bytes / 2 + bench_random(&heap->random) % mean_bytes + 1;
    while (heap->count > 0 && heap->live_bytes + bytes > heap->budget_bytes)
        drop_one(heap);
    heap->items[heap->count++] = (struct item){bench_make(bytes), bytes};
    memset(heap->items[heap->count - 1].block, 1, bytes);
    heap->live_bytes += bytes;
}

int main(int count, char **words)
{
    bench_check_allocator();
    struct heap heap = {.budget_bytes = bench_number(count, words, 1) << 20, .random = SEED};
    uint64_t operations = bench_number(count, words, 2);
    uint64_t phases = 2 * DOUBLINGS + 1;
    double highest_kib = 0;
    heap.items = calloc(heap.budget_bytes / (BYTES_LOW / 2) + 1, sizeof *heap.items);
    if (heap.items == NULL)
        bench_fail("out of memory");
    memset(heap.items, 0, heap.budget_bytes / (BYTES_LOW / 2) * sizeof *heap.items);
    double before_kib = bench_rss_kib();
    for (uint64_t phase = 0; phase < phases; phase++) {
        size_t mean_bytes = (size_t)BYTES_LOW << (phase <= DOUBLINGS ? phase : phases - 1 - phase);
        /* Each phase replaces the whole heap once, and works on in what it has then. */
        uint64_t steps = 2 * heap.budget_bytes / mean_bytes + operations / phases;
        for (uint64_t i = 0; i < steps; i++)
            add_one(&heap, mean_bytes);
        double kib = bench_rss_kib() - before_kib;
        highest_kib = kib > highest_kib ? kib : highest_kib;
    }
    bench_report("live_kib", (double)heap.budget_bytes / BYTES_PER_KIB);
    bench_report("rss_ratio", highest_kib * BYTES_PER_KIB / (double)heap.budget_bytes);
    return 0;
}
