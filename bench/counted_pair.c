/* SPDX-License-Identifier: MIT */
/* counted_pair WAY THREADS PAIRS: one reference more and one less, of an object that each thread made (own) or that the first one
 * made (shared). Reports nanoseconds of CPU for each pair.
 */
#include "counted.h"

#include <pthread.h>

static size_t pairs;
static bool is_shared;
static struct counted_node *common;

/* The analyser takes each release for the last one. */
/* NOLINTBEGIN(clang-analyzer-unix.Malloc) */
static void *run(void *unused)
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

int main(int count, char **words)
{
    pthread_t threads[16];
    size_t thread_count = bench_number(count, words, 2);
    pairs = bench_number(count, words, 3);
    is_shared = strcmp(words[1], "shared") == 0;
    counted_start();
    common = counted_node_new();
    double start = bench_cpu_seconds();
    for (size_t i = 0; i < thread_count && i < 16; i++)
        if (pthread_create(&threads[i], NULL, run, NULL) != 0)
            bench_fail("no thread");
    for (size_t i = 0; i < thread_count && i < 16; i++)
        pthread_join(threads[i], NULL);
    bench_report("ns_per_operation", (bench_cpu_seconds() - start) * 1e9 / (double)(pairs * thread_count));
    counted_release(common);
    return 0;
}
