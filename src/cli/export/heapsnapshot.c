/* SPDX-License-Identifier: MIT */
/* Nodes: the root; one for each kind of root, and two for what no root reaches; then the objects, each named by the place that
 * allocated it, so that readers group them by it. Edges are of the type "internal", which counts as holding, and named by
 * their offset. Readers keep all numbers in 32 bits.
 *
 * A node's id tells it in two snapshots of one process: it is made of the address. Two objects whose addresses are further apart
 * than IDS * 16 bytes might share one; then ids are numbers of this snapshot alone.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/intern.h"
#include "cli/base/memory.h"
#include "cli/export/formats.h"
#include "cli/output/calls.h"
#include "cli/output/reach.h"
#include "cli/print/escape.h"

#define NODE_FIELDS 7
#define ADDRESS_UNIT 16 /* the least distance of two objects */
#define IDS 0x40000000u /* times two, as objects have odd ids, in 31 bits: some readers take them for signed */

/* Positions in "node_types" and "edge_types". */
enum node_type { NODE_OBJECT = 3, NODE_SYNTHETIC = 9 };
enum edge_type { EDGE_ELEMENT = 1, EDGE_INTERNAL = 3 };

/* Nodes in front of the objects. The groups of roots stand at the numbers of their kind. */
enum front { FRONT_ROOT = 0, FRONT_LEAKED = PROFILE_ROOT_OWN + 1, FRONT_UNROOTED, FRONT_COUNT };

static const char *const front_names[FRONT_COUNT] = {
    [FRONT_ROOT] = "",
    [PROFILE_ROOT_STATIC] = "(static data)",
    [PROFILE_ROOT_STACK] = "(stacks)",
    [PROFILE_ROOT_REGISTER] = "(registers)",
    [PROFILE_ROOT_MAPPING] = "(other mappings)",
    [PROFILE_ROOT_KERNEL] = "(kernel)",
    [PROFILE_ROOT_ADDED] = "(added roots)",
    [PROFILE_ROOT_OWN] = "(uncollectable or to be finalized)",
    [FRONT_LEAKED] = "(leaked)",
    [FRONT_UNROOTED] = "(reachable, root unknown)",
};

struct snapshot {
    const struct profile *profile;
    FILE *stream;
    struct reach reach;
    struct call_tree tree;
    struct intern strings;
    uint32_t *site_names; /* by stack: string; UINT32_MAX: not made yet */
    size_t front_edges[FRONT_COUNT];
    bool ids_by_address;
};

/* ---- Names ---- */

static uint32_t format_text(struct snapshot *snapshot, const char *format, ...) __attribute__((format(printf, 2, 3)));

static uint32_t format_text(struct snapshot *snapshot, const char *format, ...)
{
    char *text = NULL;
    va_list values;
    va_start(values, format);
    int length = vasprintf(&text, format, values);
    va_end(values);
    if (length < 0)
        gci_memory_give_up();
    uint32_t string = gci_intern_text(&snapshot->strings, text);
    free(text);
    return string;
}

static uint32_t name_of_node(struct snapshot *snapshot, uint32_t node)
{
    uint32_t label = gci_calls_node(&snapshot->tree, node).label;
    const char *name = gci_calls_name(&snapshot->tree, label), *file = gci_calls_file(&snapshot->tree, label);
    uint32_t line = gci_calls_label(&snapshot->tree, label).line;
    if (!file)
        return gci_intern_text(&snapshot->strings, name);
    const char *slash = strrchr(file, '/');
    return format_text(snapshot, "%s (%s:%" PRIu32 ")", name, slash ? slash + 1 : file, line);
}

static uint32_t name_of_object(struct snapshot *snapshot, const struct profile_object *object)
{
    uint32_t stack = object->stack < snapshot->profile->stack_count ? object->stack : 0;
    uint32_t *name = &snapshot->site_names[stack];
    if (*name == UINT32_MAX)
        *name = name_of_node(snapshot, snapshot->tree.stack_nodes[stack]);
    return *name;
}

static uint32_t name_of_root(struct snapshot *snapshot, const struct profile_root *root)
{
    if (root->kind == PROFILE_ROOT_STACK)
        return format_text(snapshot, "0x%" PRIx64 " of thread %" PRIu32, root->address, root->thread);
    if (root->kind == PROFILE_ROOT_REGISTER)
        return format_text(snapshot, "of thread %" PRIu32, root->thread);
    return format_text(snapshot, "0x%" PRIx64, root->address);
}

static uint32_t name_of_edge(struct snapshot *snapshot, const struct profile_edge *edge)
{
    if (edge->to_offset != 0)
        return format_text(snapshot, "+%" PRIu32 " to +%" PRIu32, edge->offset, edge->to_offset);
    return format_text(snapshot, "+%" PRIu32, edge->offset);
}

/* ---- Nodes ---- */

static enum front front_of_head(const struct snapshot *snapshot, size_t head)
{
    uint32_t flags = snapshot->profile->objects[snapshot->reach.heads[head]].flags;
    return flags & PROFILE_OBJECT_REACHABLE ? FRONT_UNROOTED : FRONT_LEAKED;
}

static bool is_known_root(const struct snapshot *snapshot, const struct profile_root *root)
{
    return root->object < snapshot->reach.count && root->kind >= PROFILE_ROOT_STATIC && root->kind <= PROFILE_ROOT_OWN;
}

static void count_front_edges(struct snapshot *snapshot)
{
    snapshot->front_edges[FRONT_ROOT] = FRONT_COUNT - 1;
    for (size_t i = 0; i < snapshot->profile->root_count; i++) {
        const struct profile_root *root = &snapshot->profile->roots[i];
        if (is_known_root(snapshot, root))
            snapshot->front_edges[root->kind]++;
    }
    for (size_t i = 0; i < snapshot->reach.head_count; i++)
        snapshot->front_edges[front_of_head(snapshot, i)]++;
}

static void choose_ids(struct snapshot *snapshot)
{
    uint64_t low = UINT64_MAX, high = 0;
    for (size_t i = 0; i < snapshot->profile->object_count; i++) {
        uint64_t address = snapshot->profile->objects[i].address;
        low = address < low ? address : low;
        high = address > high ? address : high;
    }
    snapshot->ids_by_address = high < low || (high - low) / ADDRESS_UNIT < IDS;
}

static uint32_t id_of_object(const struct snapshot *snapshot, uint32_t object)
{
    uint64_t number = snapshot->ids_by_address ? snapshot->profile->objects[object].address / ADDRESS_UNIT : object;
    return (uint32_t)(number % IDS) * 2 + 1;
}

static void print_front_nodes(struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < FRONT_COUNT; i++) {
        uint32_t name = gci_intern_text(&snapshot->strings, front_names[i]);
        fprintf(snapshot->stream, "%s%d,%" PRIu32 ",%" PRIu32 ",0,%zu,0,0", i ? ",\n" : "", NODE_SYNTHETIC, name,
                2 * (i + 1), snapshot->front_edges[i]);
    }
}

static void print_object_nodes(struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->reach.count; i++) {
        const struct profile_object *object = &snapshot->profile->objects[i];
        uint64_t bytes = object->bytes < UINT32_MAX ? object->bytes : UINT32_MAX;
        fprintf(snapshot->stream, ",\n%d,%" PRIu32 ",%" PRIu32 ",%" PRIu64 ",%zu,0,0", NODE_OBJECT,
                name_of_object(snapshot, object), id_of_object(snapshot, i), bytes,
                snapshot->reach.first[i + 1] - snapshot->reach.first[i]);
    }
}

/* ---- Edges, in the order of the nodes that they come from ---- */

static void print_edge(struct snapshot *snapshot, uint32_t name, uint32_t object)
{
    static const char head[] = {',', '\n', '0' + EDGE_INTERNAL, ',', '\0'};
    fputs(head, snapshot->stream);
    gci_escape_number(snapshot->stream, name);
    putc_unlocked(',', snapshot->stream);
    gci_escape_number(snapshot->stream, (object + (uint64_t)FRONT_COUNT) * NODE_FIELDS);
}

static void print_root_edges(struct snapshot *snapshot, uint32_t kind)
{
    for (size_t i = 0; i < snapshot->profile->root_count; i++) {
        const struct profile_root *root = &snapshot->profile->roots[i];
        if (root->kind == kind && is_known_root(snapshot, root))
            print_edge(snapshot, name_of_root(snapshot, root), root->object);
    }
}

static void print_head_edges(struct snapshot *snapshot, enum front front)
{
    for (size_t i = 0; i < snapshot->reach.head_count; i++) {
        uint32_t object = snapshot->reach.heads[i];
        if (front_of_head(snapshot, i) == front)
            print_edge(snapshot, format_text(snapshot, "0x%" PRIx64, snapshot->profile->objects[object].address),
                       object);
    }
}

static void print_edges(struct snapshot *snapshot)
{
    for (unsigned i = 1; i < FRONT_COUNT; i++)
        fprintf(snapshot->stream, "%s%d,%u,%u", i > 1 ? "," : "", EDGE_ELEMENT, i, i * NODE_FIELDS);
    for (uint32_t kind = PROFILE_ROOT_STATIC; kind <= PROFILE_ROOT_OWN; kind++)
        print_root_edges(snapshot, kind);
    print_head_edges(snapshot, FRONT_LEAKED);
    print_head_edges(snapshot, FRONT_UNROOTED);
    for (size_t i = 0; i < snapshot->reach.first[snapshot->reach.count]; i++) {
        const struct profile_edge *edge = &snapshot->profile->edges[snapshot->reach.edges[i]];
        print_edge(snapshot, name_of_edge(snapshot, edge), edge->to);
    }
}

/* ---- All together ---- */

static void print_meta(struct snapshot *snapshot)
{
    size_t edges = snapshot->reach.first[snapshot->reach.count];
    for (int i = 0; i < FRONT_COUNT; i++)
        edges += snapshot->front_edges[i];
    fputs(
        "{\"snapshot\":{\"meta\":{\n"
        "\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\",\"trace_node_id\",\"detachedness\"],\n"
        "\"node_types\":[[\"hidden\",\"array\",\"string\",\"object\",\"code\",\"closure\",\"regexp\",\"number\","
        "\"native\","
        "\"synthetic\",\"concatenated string\",\"sliced string\",\"symbol\",\"bigint\",\"object shape\"],"
        "\"string\",\"number\",\"number\",\"number\",\"number\",\"number\"],\n"
        "\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],\n"
        "\"edge_types\":[[\"context\",\"element\",\"property\",\"internal\",\"hidden\",\"shortcut\",\"weak\"],"
        "\"string_or_number\",\"node\"],\n"
        "\"trace_function_info_fields\":[\"function_id\",\"name\",\"script_name\",\"script_id\",\"line\",\"column\"],\n"
        "\"trace_node_fields\":[\"id\",\"function_info_index\",\"count\",\"size\",\"children\"],\n"
        "\"sample_fields\":[\"timestamp_us\",\"last_assigned_id\"],\n"
        "\"location_fields\":[\"object_index\",\"script_id\",\"line\",\"column\"]},\n",
        snapshot->stream);
    fprintf(snapshot->stream, "\"node_count\":%zu,\"edge_count\":%zu,\"trace_function_count\":0},\n",
            snapshot->reach.count + (size_t)FRONT_COUNT, edges);
}

static void print_strings(struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->strings.count; i++) {
        fputs(i > 0 ? ",\n" : "", snapshot->stream);
        gci_escape_json(snapshot->stream, gci_intern_key(&snapshot->strings, i));
    }
}

static void print_all(struct snapshot *snapshot)
{
    count_front_edges(snapshot);
    choose_ids(snapshot);
    print_meta(snapshot);
    fputs("\"nodes\":[", snapshot->stream);
    print_front_nodes(snapshot);
    print_object_nodes(snapshot);
    fputs("],\n\"edges\":[", snapshot->stream);
    print_edges(snapshot);
    fputs("],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\"samples\":[],\n\"locations\":[],\n\"strings\":[",
          snapshot->stream);
    print_strings(snapshot);
    fputs("]}\n", snapshot->stream);
}

void gci_heapsnapshot_write(const struct profile *profile, FILE *stream, const void *metric)
{
    struct snapshot snapshot = {.profile = profile, .stream = stream};
    (void)metric;
    snapshot.site_names = gci_memory_take(profile->stack_count, sizeof *snapshot.site_names);
    memset(snapshot.site_names, 0xff, profile->stack_count * sizeof *snapshot.site_names);
    gci_calls_build(&snapshot.tree, profile, true);
    gci_reach_build(&snapshot.reach, profile);
    print_all(&snapshot);
    free(snapshot.site_names);
    gci_intern_forget(&snapshot.strings);
    gci_calls_forget(&snapshot.tree);
    gci_reach_forget(&snapshot.reach);
}
