/* SPDX-License-Identifier: MIT */
/* counted_pair WAY THREADS PAIRS: one reference more and one less, of an object that each thread made (own) or that the first one
 * made (shared). Reports nanoseconds of CPU for each pair; and beside it, by turns in the same run, the least that it could
 * take: where each thread has its object, that of one addition to memory, where they share it, of two atomic additions.
 */
#include "counted.h"

#include "threads.h"

#define TURNS 20

static size_t thread_count;
static size_t pairs;
static bool is_shared;
static struct counted_node *common;

/* The analyser takes each release for the last one. */
/* NOLINTBEGIN(clang-analyzer-unix.Malloc) */
static void *count(void *unused)
{
    struct counted_node *node = is_shared ? common : counted_node_new();
    (void)unused;
    for (size_t i = 0; i < pairs; i++) {
        counted_retain(node);
        COUNTED_BETWEEN();
        counted_release(node);
        COUNTED_BETWEEN();
    }
    if (!is_shared)
        counted_release(node);
    return NULL;
}
/* NOLINTEND(clang-analyzer-unix.Malloc) */

static void *add_to_own(void *unused)
{
    volatile uint32_t number = 0;
    for (size_t i = 0; i < pairs; i++)
        number++;
    return unused;
}

static void *add_to_common(void *unused)
{
    static _Alignas(64) atomic_uint number = 1;
    for (size_t i = 0; i < pairs; i++) {
        atomic_fetch_add_explicit(&number, 1, memory_order_relaxed);
        COUNTED_BETWEEN();
        if (atomic_fetch_sub_explicit(&number, 1, memory_order_acq_rel) == 1)
            bench_fail("an addition was lost");
        COUNTED_BETWEEN();
    }
    return unused;
}

static double run(void *(*work)(void *))
{
    double start = bench_cpu_seconds();
    bench_run_threads(thread_count, work);
    return bench_cpu_seconds() - start;
}

int main(int word_count, char **words)
{
    double seconds = 0;
    double limit = 0;
    thread_count = bench_number(word_count, words, 2);
    pairs = bench_number(word_count, words, 3) / TURNS;
    is_shared = strcmp(words[1], "shared") == 0;
    counted_start();
    common = counted_node_new();
    for (size_t turn = 0; turn < TURNS; turn++) {
        seconds += run(count);
        limit += run(is_shared ? add_to_common : add_to_own);
    }
    double each = 1e9 / (double)(pairs * thread_count * TURNS);
    bench_report("ns_per_operation", seconds * each);
    bench_report("limit_ns", limit * each);
    counted_release(common);
    return 0;
}
