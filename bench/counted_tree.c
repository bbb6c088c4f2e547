/* SPDX-License-Identifier: MIT */
/* counted_tree DEPTH TREES: trees of counted nodes come and go by one release of the root each. Reports nanoseconds of CPU for
 * each node.
 */
#include "counted.h"

/* NOLINTNEXTLINE(misc-no-recursion) */
static struct counted_node *grow(size_t depth)
{
    struct counted_node *node = counted_node_new();
    if (depth > 0) {
        node->left = grow(depth - 1);
        node->right = grow(depth - 1);
    }
    return node;
}

int main(int count, char **words)
{
    size_t depth = bench_number(count, words, 1);
    size_t trees = bench_number(count, words, 2);
    counted_start();
    double start = bench_cpu_seconds();
    for (size_t i = 0; i < trees; i++)
        counted_release_own(grow(depth));
    bench_report("ns_per_operation",
                 (bench_cpu_seconds() - start) * 1e9 / (double)trees / (double)((2ul << depth) - 1));
    return 0;
}
