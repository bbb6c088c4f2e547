/* SPDX-License-Identifier: MIT */
/* Implementation of collect/graph.h. */
#include "collect/graph.h"

#include <errno.h>

#include "base/bits.h"
#include "collect/cycle.h"
#include "heap/special/counted.h"
#include "heap/sweep.h"
#include "platform/vm.h"
#include "world/roots.h"

#define NO_NODE UINT32_MAX

/* All objects in the order of their addresses, and for a path what led to each and the order in which they were found.
 * The starts are complemented: the list lies in memory that is searched for roots. */
struct graph {
    enum graph_question question;
    uintptr_t hidden;
    struct graph_answer *answer;
    int failure;
    struct graph_node *nodes;
    size_t node_count;
    size_t nodes_bytes;
    uint32_t *parents; /* itself: a root leads there */
    uint32_t *found;
    size_t found_count;
    size_t found_bytes;
    uint32_t target;
    bool target_is_root;
};

/* ---- Nodes -------------------------------------------------------------------------------------------------------- */

static void each_of_block(uint32_t unit, graph_object_fn visit, void *data)
{
    const struct size_class *size_class = block_class(&gci_heap, unit);
    for (unsigned i = 0; i < size_class->words; i++) {
        uint64_t used = block_valid_bits(size_class, i) & ~block_free_bits(block_at(&gci_heap, unit), i);
        for (; used != 0; used &= used - 1)
            visit(data,
                  gci_resolve(&gci_heap, unit_address(&gci_heap, unit) +
                                             ((uintptr_t)i * BITS_PER_WORD + lowest_bit(used)) * size_class->bytes));
    }
}

void gci_graph_each_object(graph_object_fn visit, void *data)
{
    for (uint32_t unit = 1; unit < gci_heap.frontier; unit++) {
        uint8_t use = gci_heap.meta.hot[unit].use;
        if (use == UNIT_SMALL)
            each_of_block(unit, visit, data);
        else if (use == UNIT_LARGE)
            visit(data, gci_resolve(&gci_heap, unit_address(&gci_heap, unit)));
    }
}

static void count_node(void *data, struct object object)
{
    struct graph *graph = data;
    (void)object;
    graph->node_count++;
}

static void add_node(void *data, struct object object)
{
    struct graph *graph = data;
    struct graph_node *node = &graph->nodes[graph->node_count++];
    *node = (struct graph_node){.object = object};
    node->object.start = ~object.start;
    const struct counted *counted = (const struct counted *)object.start; // NOLINT(performance-no-int-to-ptr)
    if (object.kind == KIND_HEADED && counted_state(counted) != COUNTED_TYPED)
        node->type = counted_type_word(counted);
}

static bool list_nodes(struct graph *graph)
{
    gci_graph_each_object(count_node, graph);
    graph->nodes_bytes = graph->node_count * sizeof *graph->nodes;
    graph->nodes = gci_vm_map(graph->nodes_bytes);
    graph->node_count = 0;
    if (graph->nodes != NULL)
        gci_graph_each_object(add_node, graph);
    return graph->nodes != NULL;
}

static uintptr_t start_of(const struct graph *graph, uint32_t node)
{
    return ~graph->nodes[node].object.start;
}

/* The node around the word's address, by binary search. */
static uint32_t node_of(const struct graph *graph, uintptr_t word)
{
    struct object object = gci_resolve(&gci_heap, word_address(word));
    size_t low = 0;
    size_t high = object.unit == 0 ? 0 : graph->node_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (start_of(graph, (uint32_t)middle) < object.start)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_there = object.unit != 0 && low < graph->node_count && start_of(graph, (uint32_t)low) == object.start;
    return is_there ? (uint32_t)low : NO_NODE;
}

/* ---- Edges -------------------------------------------------------------------------------------------------------- */

typedef void (*edge_fn)(struct graph *graph, uint32_t from, uint32_t to);

struct edges {
    struct graph *graph;
    uint32_t from;
    edge_fn visit;
};

static void look_at_word(void *data, uintptr_t word)
{
    struct edges *edges = data;
    uint32_t to = heap_contains(&gci_heap, word_address(word)) ? node_of(edges->graph, word) : NO_NODE;
    if (to != NO_NODE)
        edges->visit(edges->graph, edges->from, to);
}

static void each_edge(struct graph *graph, uint32_t from, edge_fn visit)
{
    struct edges edges = {graph, from, visit};
    struct object object = graph->nodes[from].object;
    struct range words = {~object.start, ~object.start + object.bytes};
    const struct counted *counted = (const struct counted *)words.lo; // NOLINT(performance-no-int-to-ptr)
    const struct layout *layout = object.kind == KIND_HEADED ? counted_layout(counted) : NULL;
    words.lo += object.kind == KIND_HEADED ? COUNTED_HEADER_BYTES : 0;
    if (layout != NULL)
        counted_each_word(counted, layout, words, look_at_word, &edges);
    else if (object.kind != KIND_ATOMIC)
        for (uintptr_t at = words.lo; at + sizeof(uintptr_t) <= words.hi; at += sizeof(uintptr_t))
            look_at_word(&edges, *(const uintptr_t *)at); // NOLINT(performance-no-int-to-ptr)
}

static void find(struct graph *graph, uint32_t parent, uint32_t node)
{
    if (graph->parents[node] != NO_NODE)
        return;
    graph->parents[node] = parent;
    graph->found[graph->found_count++] = node;
}

static void find_referent(struct graph *graph, uint32_t from, uint32_t to)
{
    find(graph, from, to);
}

static void find_referrer(struct graph *graph, uint32_t from, uint32_t to)
{
    if (to == graph->target)
        find(graph, to, from);
}

/* A root that leads to the target itself is the last resort: the question comes from a caller that has one. */
static void find_from_roots(const struct root_piece *piece, void *data)
{
    struct graph *graph = data;
    for (size_t i = 0; i < piece->count; i++) {
        uintptr_t word = piece->words[i];
        uint32_t node = heap_contains(&gci_heap, word_address(word)) ? node_of(graph, word) : NO_NODE;
        if (node != NO_NODE && node == graph->target)
            graph->target_is_root = true;
        else if (node != NO_NODE)
            find(graph, node, node);
    }
}

/* What needs no root to stay. */
static void find_staying(struct graph *graph)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct object *object = &graph->nodes[i].object;
        bool stays = object->kind == KIND_UNCOLLECTABLE || gci_sweep_is_frozen(&gci_heap, object->unit, object->slot);
        if (stays && i == graph->target)
            graph->target_is_root = true;
        else if (stays)
            find(graph, i, i);
    }
}

static void find_path(struct graph *graph, const struct cycle_scene *scene)
{
    if (!gci_roots_each(scene->pages, &scene->caller, find_from_roots, graph)) {
        graph->failure = EAGAIN;
        return;
    }
    find_staying(graph);
    for (size_t i = 0; i < graph->found_count && graph->parents[graph->target] == NO_NODE; i++)
        each_edge(graph, graph->found[i], find_referent);
    if (graph->parents[graph->target] == NO_NODE && graph->target_is_root)
        find(graph, graph->target, graph->target);
    if (graph->parents[graph->target] == NO_NODE)
        graph->failure = ENOENT;
}

/* ---- Answers ------------------------------------------------------------------------------------------------------ */

static bool make_list(struct graph *graph, size_t count)
{
    graph->answer->mapped_bytes = count * sizeof *graph->answer->nodes;
    graph->answer->nodes = gci_vm_map(graph->answer->mapped_bytes);
    graph->failure = graph->answer->nodes == NULL ? ENOMEM : graph->failure;
    return graph->answer->nodes != NULL;
}

static struct graph_node shown(const struct graph *graph, uint32_t node)
{
    struct graph_node shown = graph->nodes[node];
    shown.object.start = ~shown.object.start;
    return shown;
}

static void list_found(struct graph *graph)
{
    if (!make_list(graph, graph->found_count))
        return;
    for (size_t i = 0; i < graph->found_count; i++)
        graph->answer->nodes[i] = shown(graph, graph->found[i]);
    graph->answer->count = graph->found_count;
}

static void list_path(struct graph *graph)
{
    size_t length = 1;
    for (uint32_t at = graph->target; graph->parents[at] != at; at = graph->parents[at])
        length++;
    if (!make_list(graph, length))
        return;
    graph->answer->count = length;
    for (uint32_t at = graph->target; length > 0; at = graph->parents[at])
        graph->answer->nodes[--length] = shown(graph, at);
}

static void search(struct graph *graph, const struct cycle_scene *scene)
{
    switch (graph->question) {
    case GRAPH_REFERENTS:
        each_edge(graph, graph->target, find_referent);
        break;
    case GRAPH_REFERRERS:
        for (uint32_t i = 0; i < graph->node_count; i++)
            each_edge(graph, i, find_referrer);
        break;
    default:
        find_path(graph, scene);
        break;
    }
    if (graph->failure != 0)
        return;
    if (graph->question == GRAPH_PATH)
        list_path(graph);
    else
        list_found(graph);
}

static bool prepare_search(struct graph *graph)
{
    graph->target = node_of(graph, ~graph->hidden);
    graph->found_bytes = graph->node_count * sizeof *graph->found;
    graph->found = gci_vm_map(graph->found_bytes);
    graph->parents = gci_vm_map(graph->found_bytes);
    if (graph->found == NULL || graph->parents == NULL)
        return false;
    for (size_t i = 0; i < graph->node_count; i++)
        graph->parents[i] = NO_NODE;
    return true;
}

static void answer_all(struct graph *graph)
{
    for (uint32_t i = 0; i < graph->node_count; i++)
        graph->nodes[i] = shown(graph, i);
    *graph->answer = (struct graph_answer){graph->nodes, graph->node_count, graph->nodes_bytes};
    graph->nodes = NULL;
}

static void look(const struct cycle_scene *scene, void *data)
{
    struct graph *graph = data;
    graph->failure = list_nodes(graph) && graph->node_count < NO_NODE ? 0 : ENOMEM;
    if (graph->failure == 0 && graph->question == GRAPH_ALL) {
        answer_all(graph);
    } else if (graph->failure == 0) {
        graph->failure = prepare_search(graph) ? 0 : ENOMEM;
        if (graph->failure == 0 && graph->target != NO_NODE)
            search(graph, scene);
    }
    gci_vm_unmap(graph->nodes, graph->nodes_bytes);
    gci_vm_unmap(graph->found, graph->found_bytes);
    gci_vm_unmap(graph->parents, graph->found_bytes);
}

int gci_graph_ask(enum graph_question question, uintptr_t hidden, struct graph_answer *answer)
{
    struct graph graph = {.question = question, .hidden = hidden, .answer = answer};
    *answer = (struct graph_answer){0};
    const struct cycle_look at = {.look = look, .data = &graph};
    return gci_cycle_look(&at) ? graph.failure : EAGAIN;
}

void gci_graph_forget(struct graph_answer *answer)
{
    gci_vm_unmap(answer->nodes, answer->mapped_bytes);
    *answer = (struct graph_answer){0};
}
