/* SPDX-License-Identifier: MIT */
/* collect_gcbench DEPTH: the pattern of the classic benchmark of collectors. A tree of DEPTH and a large array of numbers live
 * all the time; trees of growing depth come and go, half of them made from the root down, half from the leaves up.
 */
#include "collector.h"

#define DEPTH_LOW 4
#define DEPTH_STEP 2
#define ARRAY_NUMBERS 500000

struct node {
    struct node *left;
    struct node *right;
    int first;
    int second;
};

/* NOLINTBEGIN(misc-no-recursion,clang-analyzer-unix.Malloc): as in collect_trees */
static void populate(struct node *node, unsigned depth)
{
    if (depth == 0)
        return;
    node->left = collector_new(sizeof *node);
    node->right = collector_new(sizeof *node);
    populate(node->left, depth - 1);
    populate(node->right, depth - 1);
}

static struct node *build(unsigned depth)
{
    struct node *left = depth == 0 ? NULL : build(depth - 1);
    struct node *right = depth == 0 ? NULL : build(depth - 1);
    struct node *node = collector_new(sizeof *node);
    node->left = left;
    node->right = right;
    return node;
}

static void fell(struct node *node)
{
    if (!COLLECTOR_FREES || node == NULL)
        return;
    fell(node->left);
    fell(node->right);
    collector_free(node);
}

static uint64_t tree_nodes(unsigned depth)
{
    return (UINT64_C(2) << depth) - 1;
}

/* As many trees as make up the nodes of two of the lasting one. */
static void make_trees(unsigned depth, unsigned lasting_depth)
{
    for (uint64_t i = 0; i < 2 * tree_nodes(lasting_depth) / tree_nodes(depth); i++) {
        struct node *down = collector_new(sizeof *down);
        populate(down, depth);
        fell(down);
        fell(build(depth));
    }
}

int main(int count, char **words)
{
    collector_start();
    unsigned depth = (unsigned)bench_number(count, words, 1);
    fell(build(depth + 1));
    struct node *lasting = collector_new(sizeof *lasting);
    populate(lasting, depth);
    double *numbers = collector_new_atomic(ARRAY_NUMBERS * sizeof *numbers);
    for (int i = 0; i < ARRAY_NUMBERS; i++)
        numbers[i] = 1.0 / (i + 1);
    for (unsigned i = DEPTH_LOW; i <= depth; i += DEPTH_STEP)
        make_trees(i, depth);
    bool is_whole = lasting->left != NULL && numbers[999] == 1.0 / 1000;
    fell(lasting);
    collector_free(numbers);
    if (!is_whole)
        bench_fail("what lives is damaged");
    return 0;
}
/* NOLINTEND(misc-no-recursion,clang-analyzer-unix.Malloc) */
