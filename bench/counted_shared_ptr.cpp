/* SPDX-License-Identifier: MIT */
/* counted_shared_ptr own PAIRS, counted_shared_ptr tree DEPTH TREES: what counted_pair and counted_tree do, with
 * std::shared_ptr.
 */
#include <chrono>
#include <ctime>
#include <memory>
#include <string>
#include <thread>

#include "bench.h"

struct node {
    std::shared_ptr<node> left;
    std::shared_ptr<node> right;
};

static void between()
{
    __asm__ volatile("" : : : "memory");
}

static void run_pairs(size_t pairs)
{
    auto held = std::make_shared<node>();
    for (size_t i = 0; i < pairs; i++) {
        auto copy = held;
        between();
        copy.reset();
        between();
    }
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static std::shared_ptr<node> grow(size_t depth)
{
    auto fresh = std::make_shared<node>();
    if (depth > 0) {
        fresh->left = grow(depth - 1);
        fresh->right = grow(depth - 1);
    }
    return fresh;
}

int main(int count, char **words)
{
    bool is_tree = count > 1 && std::string(words[1]) == "tree";
    size_t amount = bench_number(count, words, 2);
    size_t trees = is_tree ? bench_number(count, words, 3) : 1;
    bench_check_allocator();
    double start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (is_tree)
        for (size_t i = 0; i < trees; i++)
            grow(amount).reset();
    else
        std::thread(run_pairs, amount).join(); /* a process that never had a second thread counts without atomics */
    double operations = is_tree ? (double)trees * (double)((2ul << amount) - 1) : (double)amount;
    bench_report("ns_per_operation", (bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e9 / operations);
    return 0;
}
