/* SPDX-License-Identifier: MIT */
/* collect_trees DEPTH: binary trees of all depths up to DEPTH come and go while one large tree lives. */
#include "collector.h"

#define DEPTH_LOW 4

struct node {
    struct node *left;
    struct node *right;
};

/* Trees are grown by recursion and left to the collector: that is what is measured. */
/* NOLINTBEGIN(misc-no-recursion,clang-analyzer-unix.Malloc) */
static struct node *grow(unsigned depth)
{
    struct node *node = collector_new(sizeof *node);
    if (depth > 0) {
        node->left = grow(depth - 1);
        node->right = grow(depth - 1);
    }
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

static uint64_t count_nodes(const struct node *node)
{
    return node == NULL ? 0 : 1 + count_nodes(node->left) + count_nodes(node->right);
}

int main(int count, char **words)
{
    collector_start();
    unsigned highest = (unsigned)bench_number(count, words, 1);
    struct node *lasting = grow(highest);
    uint64_t nodes = 0;
    for (unsigned depth = DEPTH_LOW; depth <= highest; depth += 2)
        for (uint64_t i = 0; i < UINT64_C(1) << (highest - depth + DEPTH_LOW); i++) {
            struct node *tree = grow(depth);
            nodes += count_nodes(tree);
            fell(tree);
        }
    nodes += count_nodes(lasting);
    fell(lasting);
    return nodes == 0;
}
/* NOLINTEND(misc-no-recursion,clang-analyzer-unix.Malloc) */
