/* SPDX-License-Identifier: MIT */
/* Heads: a first walk over what is unreached notes each object when all that it leads to has been walked. Of what is left in the
 * reverse of that order, the first object is not reached by any that comes after it, but reaches its own group: it is a head,
 * and what a second walk from it reaches is done. (The first half of Kosaraju's algorithm.)
 */
#include "cli/output/reach.h"

#include <stdlib.h>
#include <string.h>

#include "cli/base/memory.h"

enum mark { UNSEEN, WALKED, DONE };

static bool is_inside(const struct reach *reach, const struct profile_edge *edge)
{
    return edge->from < reach->count && edge->to < reach->count;
}

/* Counting sort by where edges come from. */
static void sort_edges(struct reach *reach)
{
    const struct profile *profile = reach->profile;
    for (size_t i = 0; i < profile->edge_count; i++) {
        if (is_inside(reach, &profile->edges[i]))
            reach->first[profile->edges[i].from + 1]++;
    }
    for (size_t i = 0; i < reach->count; i++)
        reach->first[i + 1] += reach->first[i];
    memcpy(reach->next, reach->first, reach->count * sizeof *reach->next);
    for (size_t i = 0; i < profile->edge_count; i++) {
        if (is_inside(reach, &profile->edges[i]))
            reach->edges[reach->next[profile->edges[i].from]++] = (uint32_t)i;
    }
}

/* Objects that are not marked `mark` yet are pushed with it when their turn comes; those that are walked through go to `order`,
 * if it is not NULL, each behind all that it leads to. */
static size_t walk(struct reach *reach, uint32_t object, enum mark mark, uint32_t *order)
{
    size_t depth = 0, noted = 0;
    reach->marks[object] = (unsigned char)mark;
    reach->next[object] = reach->first[object];
    reach->stack[depth++] = object;
    while (depth > 0) {
        uint32_t top = reach->stack[depth - 1];
        if (reach->next[top] == reach->first[top + 1]) {
            if (order)
                order[noted++] = top;
            depth--;
            continue;
        }
        uint32_t to = reach->profile->edges[reach->edges[reach->next[top]++]].to;
        if (reach->marks[to] >= mark)
            continue;
        reach->marks[to] = (unsigned char)mark;
        reach->next[to] = reach->first[to];
        reach->stack[depth++] = to;
    }
    return noted;
}

static void walk_roots(struct reach *reach)
{
    for (size_t i = 0; i < reach->profile->root_count; i++) {
        uint32_t object = reach->profile->roots[i].object;
        if (object < reach->count && reach->marks[object] != DONE)
            walk(reach, object, DONE, NULL);
    }
}

/* `heads` holds the order first; a head is never written over one that is still to be looked at. */
static void find_heads(struct reach *reach)
{
    size_t ordered = 0, heads = 0;
    for (uint32_t i = 0; i < reach->count; i++) {
        if (reach->marks[i] == UNSEEN)
            ordered += walk(reach, i, WALKED, reach->heads + ordered);
    }
    for (size_t i = ordered; i-- > 0;) {
        uint32_t object = reach->heads[i];
        if (reach->marks[object] == DONE)
            continue;
        walk(reach, object, DONE, NULL);
        reach->heads[ordered - ++heads] = object;
    }
    if (heads > 0)
        memmove(reach->heads, reach->heads + ordered - heads, heads * sizeof *reach->heads);
    reach->head_count = heads;
}

void gci_reach_build(struct reach *reach, const struct profile *profile)
{
    size_t count = profile->object_count + 1;
    *reach = (struct reach){.profile = profile, .count = (uint32_t)profile->object_count};
    reach->first = gci_memory_take(count, sizeof *reach->first);
    reach->edges = gci_memory_take(profile->edge_count, sizeof *reach->edges);
    reach->heads = gci_memory_take(count, sizeof *reach->heads);
    reach->marks = gci_memory_take(count, sizeof *reach->marks);
    reach->next = gci_memory_take(count, sizeof *reach->next);
    reach->stack = gci_memory_take(count, sizeof *reach->stack);
    sort_edges(reach);
    walk_roots(reach);
    find_heads(reach);
}

void gci_reach_forget(struct reach *reach)
{
    free(reach->first);
    free(reach->edges);
    free(reach->heads);
    free(reach->marks);
    free(reach->next);
    free(reach->stack);
}
