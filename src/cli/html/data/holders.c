/* SPDX-License-Identifier: MIT */
#include "cli/html/data/holders.h"

#include <stdlib.h>

#include "cli/base/memory.h"
#include "cli/html/data/graph.h"
#include "cli/symbols/data.h"

#define WAYS 100         /* from roots: of the sites that retain most */
#define WAY_STEPS 200    /* of a longer one the rest is left out, and said to be */
#define GROUP_SHARE 2000 /* groups that retain less than one part in so many are left out */

static const struct column site_columns[] = {
    COLUMN("node", page_site, node),
    COLUMN("objects", page_site, objects),
    COLUMN("bytes", page_site, bytes),
    COLUMN("retained", page_site, retained_bytes),
    COLUMN("doubtful", page_site, doubtful_bytes),
    COLUMN("bestBytes", page_site, best_bytes),
};

static const struct column group_columns[] = {
    COLUMN("parent", page_group, parent),           COLUMN("site", page_group, site),
    COLUMN("objects", page_group, objects),         COLUMN("bytes", page_group, bytes),
    COLUMN("retained", page_group, retained_bytes),
};

static int compare_sites(const void *left, const void *right, void *context)
{
    const struct page_site *sites = context;
    uint64_t a = sites[*(const uint32_t *)left].retained_bytes, b = sites[*(const uint32_t *)right].retained_bytes;
    return a < b ? 1 : -(a > b);
}

static void write_root(struct json *json, const struct profile *profile, const struct profile_root *root)
{
    struct data_name name;
    struct profile_modules modules = gci_profile_modules(profile);
    gci_data_find(&name, &modules, root->kind == PROFILE_ROOT_STATIC ? root->address : 0);
    gci_columns_number(json, "kind", root->kind);
    gci_columns_number(json, "address", root->address);
    gci_columns_number(json, "thread", root->thread);
    gci_columns_number(json, "inside", root->to_offset);
    gci_columns_text(json, "symbol", name.symbol);
    gci_columns_number(json, "offset", name.offset);
    gci_columns_text(json, "module", name.module != PROFILE_NO_MODULE ? profile->modules[name.module].name : "");
}

/* The last steps of the way, from the root inwards: node, address, bytes, where in the holder, where in the object. */
static void write_steps(struct json *json, const struct profile *profile, const struct page_names *names,
                        const struct retain *retain, const uint32_t *way, size_t count)
{
    gci_columns_open_column(json, "steps");
    for (size_t i = count > WAY_STEPS ? count - WAY_STEPS : 0; i < count; i++) {
        const struct profile_object *object = &profile->objects[way[i]];
        uint32_t edge = retain->way[way[i]];
        gci_columns_value(json, names->node_of_stack[object->stack]);
        gci_columns_value(json, object->address);
        gci_columns_value(json, object->bytes);
        gci_columns_value(json, edge != RETAIN_NONE ? profile->edges[edge].offset : 0);
        gci_columns_value(json, edge != RETAIN_NONE ? profile->edges[edge].to_offset : 0);
    }
    gci_columns_close_column(json);
}

static void write_way(struct json *json, const struct profile *profile, const struct page_names *names,
                      const struct page_graph *graph, uint32_t site)
{
    size_t count;
    uint32_t *way = gci_retain_way(&graph->retain, graph->sites[site].best_object, &count);
    uint32_t root = graph->retain.way_root[way[0]];
    gci_columns_open(json, NULL, '{');
    gci_columns_number(json, "site", site);
    gci_columns_number(json, "length", count);
    write_steps(json, profile, names, &graph->retain, way, count);
    if (root != RETAIN_NONE)
        write_root(json, profile, &profile->roots[root]);
    gci_columns_close(json, '}');
    free(way);
}

static void write_ways(struct json *json, const struct profile *profile, const struct page_names *names,
                       const struct page_graph *graph)
{
    uint32_t *order = gci_memory_take(graph->site_count, sizeof *order);
    for (uint32_t i = 0; i < graph->site_count; i++)
        order[i] = i;
    qsort_r(order, graph->site_count, sizeof *order, compare_sites, graph->sites);
    gci_columns_open(json, "ways", '[');
    for (uint32_t i = 0; i < graph->site_count && i < WAYS && graph->sites[order[i]].objects > 0; i++)
        write_way(json, profile, names, graph, order[i]);
    gci_columns_close(json, ']');
    free(order);
}

/* Groups of some weight, numbered anew; the parent of one that stays, stays. */
static void write_groups(struct json *json, struct page_graph *graph)
{
    uint32_t *numbers = gci_memory_take(graph->group_count, sizeof *numbers), count = 0;
    for (uint32_t i = 0; i < graph->group_count; i++) {
        struct page_group group = graph->groups[i];
        if (i > 0 && group.retained_bytes < graph->retain.reachable_bytes / GROUP_SHARE)
            continue;
        group.parent = i > 0 ? numbers[group.parent] : 0;
        numbers[i] = count;
        graph->groups[count++] = group;
    }
    COLUMNS_TABLE(json, "groups", group_columns, graph->groups, count);
    free(numbers);
}

void gci_holders_write(struct json *json, const struct profile *profile, const struct page_names *names)
{
    struct page_graph graph;
    if (profile->object_count == 0)
        return;
    gci_graph_explain(&graph, profile, names);
    gci_columns_open(json, "graph", '{');
    gci_columns_number(json, "objects", graph.retain.reachable);
    gci_columns_number(json, "bytes", graph.retain.reachable_bytes);
    gci_columns_number(json, "doubtful", graph.retain.doubtful_bytes);
    gci_columns_number(json, "lostObjects", graph.retain.unreachable);
    gci_columns_number(json, "lostBytes", graph.retain.unreachable_bytes);
    gci_columns_number(json, "links", profile->edge_count);
    gci_columns_open_column(json, "roots");
    for (unsigned i = 0; i < ROOT_KINDS; i++)
        gci_columns_value(json, graph.root_words[i]);
    gci_columns_close_column(json);
    COLUMNS_TABLE(json, "sites", site_columns, graph.sites, graph.site_count);
    write_ways(json, profile, names, &graph);
    write_groups(json, &graph);
    gci_columns_close(json, '}');
    gci_graph_forget(&graph);
}
