/* SPDX-License-Identifier: MIT */
#include "cli/show/holdings.h"

#include <stdlib.h>
#include <string.h>

#include "cli/base/memory.h"

uint32_t gci_holdings_entry(const struct heap *heap, uint32_t object)
{
    const struct retain *retain = &heap->retain;
    if (retain->way[object] != RETAIN_NONE)
        return heap->profile->edges[retain->way[object]].to_offset;
    return retain->way_root[object] != RETAIN_NONE ? heap->profile->roots[retain->way_root[object]].to_offset : 0;
}

static int compare_holdings(const void *a, const void *b)
{
    const struct holding *one = a, *other = b;
    if (one->bytes != other->bytes)
        return one->bytes > other->bytes ? -1 : 1;
    return one->number < other->number ? -1 : one->number > other->number;
}

struct holding *gci_holdings_of_objects(const struct heap *heap, size_t *count)
{
    struct holding *holdings = gci_memory_take(heap->profile->object_count, sizeof *holdings);
    *count = 0;
    for (uint32_t i = 0; i < heap->profile->object_count; i++) {
        if ((heap->retain.marks[i] & RETAIN_REACHABLE) != 0)
            holdings[(*count)++] = (struct holding){heap->retain.bytes[i], heap->retain.objects[i], i};
    }
    if (*count > 0)
        qsort(holdings, *count, sizeof *holdings, compare_holdings);
    return holdings;
}

/* The tree of dominators, as lists of children. */
struct tree {
    uint32_t *child, *sibling; /* by object */
    uint32_t *open;            /* by site: objects of it above the place that the walk has come to */
};

static void build_tree(struct tree *tree, const struct heap *heap)
{
    size_t count = heap->profile->object_count;
    tree->child = gci_memory_take(count, sizeof *tree->child);
    tree->sibling = gci_memory_take(count, sizeof *tree->sibling);
    tree->open = gci_memory_take(heap->totals.site_count, sizeof *tree->open);
    memset(tree->child, 0xff, count * sizeof *tree->child);
    memset(tree->sibling, 0xff, count * sizeof *tree->sibling);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t above = heap->retain.dominator[i];
        if (above == RETAIN_NONE)
            continue;
        tree->sibling[i] = tree->child[above];
        tree->child[above] = i;
    }
}

static void enter_object(const struct heap *heap, struct tree *tree, struct holding *holdings, uint32_t object)
{
    uint32_t site = heap->totals.site_of[heap->profile->objects[object].stack];
    if (tree->open[site]++ == 0) {
        holdings[site].bytes += heap->retain.bytes[object];
        holdings[site].objects += heap->retain.objects[object];
    }
}

static void walk_tree(const struct heap *heap, struct tree *tree, struct holding *holdings, uint32_t top)
{
    uint32_t at = top;
    enter_object(heap, tree, holdings, at);
    for (;;) {
        if (tree->child[at] != RETAIN_NONE) {
            uint32_t child = tree->child[at];
            tree->child[at] = tree->sibling[child]; /* each is taken once */
            at = child;
            enter_object(heap, tree, holdings, at);
            continue;
        }
        tree->open[heap->totals.site_of[heap->profile->objects[at].stack]]--;
        if (at == top)
            return;
        at = heap->retain.dominator[at];
    }
}

/* An object that another one of its site retains is counted there. */
struct holding *gci_holdings_of_sites(const struct heap *heap, size_t *count)
{
    struct tree tree;
    struct holding *holdings = gci_memory_take(heap->totals.site_count, sizeof *holdings);
    build_tree(&tree, heap);
    for (uint32_t i = 0; i < heap->totals.site_count; i++)
        holdings[i].number = i;
    for (uint32_t i = 0; i < heap->profile->object_count; i++) {
        if (heap->retain.dominator[i] == RETAIN_NONE && (heap->retain.marks[i] & RETAIN_REACHABLE) != 0)
            walk_tree(heap, &tree, holdings, i);
    }
    free(tree.child);
    free(tree.sibling);
    free(tree.open);
    qsort(holdings, heap->totals.site_count, sizeof *holdings, compare_holdings);
    for (*count = 0; *count < heap->totals.site_count && holdings[*count].objects > 0;)
        ++*count;
    return holdings;
}

/* Objects that are reachable by a doubtful word, and whose way up to there is not. */
struct holding *gci_holdings_doubtful(const struct heap *heap, size_t *count)
{
    struct holding *holdings = gci_memory_take(heap->retain.doubtful, sizeof *holdings);
    *count = 0;
    for (uint32_t i = 0; i < heap->profile->object_count; i++) {
        if ((heap->retain.marks[i] & RETAIN_DOUBTFUL) != 0 && gci_retain_is_doubtful(gci_holdings_entry(heap, i)))
            holdings[(*count)++] = (struct holding){heap->retain.bytes[i], heap->retain.objects[i], i};
    }
    if (*count > 0)
        qsort(holdings, *count, sizeof *holdings, compare_holdings);
    return holdings;
}
