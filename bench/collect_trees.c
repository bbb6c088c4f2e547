/* SPDX-License-Identifier: MIT */
/* collect_trees DEPTH: binary trees of all depths up to DEPTH come and go while one large tree lives. Built three times: a
 * program that frees its trees (collect_trees_free), one that does not (collect_trees_leak), and one that allocates from
 * libgc and does not (collect_trees_libgc).
 */
#include "bench.h"

#define DEPTH_LOW 4

struct node {
    struct node *left;
    struct node *right;
};

#if defined(BENCH_LIBGC)
#include <gc.h>
#define START() GC_INIT()
#define ALLOCATE(bytes) GC_MALLOC(bytes)
#else
#define START() bench_check_allocator()
#define ALLOCATE(bytes) malloc(bytes)
#endif

/* Trees are grown by recursion and left to the collector: that is what is measured. */
/* NOLINTBEGIN(misc-no-recursion,clang-analyzer-unix.Malloc) */
static struct node *grow(unsigned depth)
{
    struct node *node = ALLOCATE(sizeof *node);
    if (node == NULL)
        bench_fail("out of memory");
    node->left = depth == 0 ? NULL : grow(depth - 1);
    node->right = depth == 0 ? NULL : grow(depth - 1);
    return node;
}

static void fell(struct node *node)
{
#if defined(BENCH_FREE)
    if (node == NULL)
        return;
    fell(node->left);
    fell(node->right);
    free(node);
#else
    (void)node;
#endif
}

static uint64_t count_nodes(const struct node *node)
{
    return node == NULL ? 0 : 1 + count_nodes(node->left) + count_nodes(node->right);
}

int main(int count, char **words)
{
    START();
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
