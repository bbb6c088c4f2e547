/* SPDX-License-Identifier: MIT */
#include "cli/html/data/graph.h"

#include <stdlib.h>

#include "cli/base/memory.h"
#include "cli/base/numbers.h"

#define GROUP_DEPTH 48 /* deeper groups count to the one at this depth: two sites in turns may be a million deep */
#define NO_GROUP UINT32_MAX

/* What is worked with. */
struct explaining {
    const struct profile *profile;
    struct page_graph *graph;
    uint32_t *site;        /* by object */
    uint32_t *group;       /* by object */
    struct numbers groups; /* by parent and site; the group at the top has none, so those of groups are one higher */
};

static bool is_reachable(const struct explaining *work, size_t object)
{
    return (work->graph->retain.marks[object] & RETAIN_REACHABLE) != 0;
}

/* ---- Sites ---- */

/* Sites are numbered by the nodes of the tree of stacks, as far as objects have them. */
static void number_sites(struct explaining *work, const struct page_names *names)
{
    const struct profile *profile = work->profile;
    struct page_graph *graph = work->graph;
    uint32_t *site_of_node = gci_memory_take(names->node_count, sizeof *site_of_node);
    size_t room = 0;
    work->site = gci_memory_take(profile->object_count, sizeof *work->site);
    for (size_t i = 0; i < profile->object_count; i++) {
        uint32_t node = names->node_of_stack[profile->objects[i].stack];
        if (site_of_node[node] == 0) {
            graph->sites = gci_memory_grow(graph->sites, &room, graph->site_count + 1, sizeof *graph->sites);
            graph->sites[graph->site_count] = (struct page_site){.node = node};
            site_of_node[node] = ++graph->site_count;
        }
        work->site[i] = site_of_node[node] - 1;
    }
    free(site_of_node);
}

static void count_objects(struct explaining *work)
{
    const struct retain *retain = &work->graph->retain;
    for (uint32_t i = 0; i < work->profile->object_count; i++) {
        uint64_t bytes = work->profile->objects[i].bytes;
        struct page_site *site = &work->graph->sites[work->site[i]];
        if (!is_reachable(work, i))
            continue;
        site->objects++;
        site->bytes += bytes;
        site->doubtful_bytes += retain->marks[i] & RETAIN_DOUBTFUL ? bytes : 0;
        if (site->best_bytes <= retain->bytes[i]) {
            site->best_bytes = retain->bytes[i];
            site->best_object = i;
        }
    }
}

/* ---- Groups ---- */

static bool is_site_above(const struct page_graph *graph, uint32_t group, uint32_t site)
{
    for (; group != 0; group = graph->groups[group].parent) {
        if (graph->groups[group].site == site)
            return true;
    }
    return false;
}

/* The group of objects of this site below that one. */
static uint32_t find_group(struct explaining *work, uint32_t parent, uint32_t site)
{
    struct page_graph *graph = work->graph;
    const struct page_group *above = &graph->groups[parent];
    if (parent != 0 && (above->site == site || above->depth == GROUP_DEPTH))
        return parent;
    uint32_t group = gci_numbers_put(&work->groups, numbers_pair(parent, site)) + 1;
    if (group < graph->group_count)
        return group;
    graph->groups[graph->group_count++] = (struct page_group){
        .parent = parent,
        .site = site,
        .depth = above->depth + 1,
        .is_outermost = !is_site_above(graph, parent, site),
    };
    return group;
}

/* Groups of an object and of what dominates it, the outermost first: `path` has room for all objects. */
static void group_object(struct explaining *work, uint32_t object, uint32_t *path)
{
    uint32_t depth = 0, group = 0;
    for (; object != RETAIN_NONE && work->group[object] == NO_GROUP; object = work->graph->retain.dominator[object])
        path[depth++] = object;
    if (object != RETAIN_NONE)
        group = work->group[object];
    while (depth > 0) {
        object = path[--depth];
        group = find_group(work, group, work->site[object]);
        work->group[object] = group;
        work->graph->groups[group].objects++;
        work->graph->groups[group].bytes += work->profile->objects[object].bytes;
    }
}

static void sum_groups(struct page_graph *graph)
{
    for (uint32_t i = graph->group_count - 1; i > 0; i--) {
        struct page_group *group = &graph->groups[i];
        group->retained_bytes += group->bytes;
        graph->groups[group->parent].retained_bytes += group->retained_bytes;
        if (group->is_outermost)
            graph->sites[group->site].retained_bytes += group->retained_bytes;
    }
}

static void make_groups(struct explaining *work)
{
    size_t objects = work->profile->object_count;
    uint32_t *path = gci_memory_take(objects, sizeof *path);
    work->group = gci_memory_take(objects, sizeof *work->group);
    work->graph->groups = gci_memory_take(objects + 1, sizeof *work->graph->groups);
    work->graph->groups[0].site = NO_GROUP;
    work->graph->group_count = 1;
    for (size_t i = 0; i < objects; i++)
        work->group[i] = NO_GROUP;
    for (uint32_t i = 0; i < objects; i++) {
        if (is_reachable(work, i))
            group_object(work, i, path);
    }
    sum_groups(work->graph);
    free(path);
    gci_numbers_forget(&work->groups);
    free(work->group);
}

/* ---- All together ---- */

void gci_graph_explain(struct page_graph *graph, const struct profile *profile, const struct page_names *names)
{
    struct explaining work = {.profile = profile, .graph = graph};
    *graph = (struct page_graph){0};
    gci_retain_make(&graph->retain, profile);
    for (size_t i = 0; i < profile->root_count; i++)
        graph->root_words[profile->roots[i].kind < ROOT_KINDS ? profile->roots[i].kind : 0]++;
    number_sites(&work, names);
    count_objects(&work);
    make_groups(&work);
    free(work.site);
}

void gci_graph_forget(struct page_graph *graph)
{
    gci_retain_forget(&graph->retain);
    free(graph->sites);
    free(graph->groups);
}
