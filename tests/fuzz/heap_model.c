/* SPDX-License-Identifier: MIT */
/* A block holds its node's number, then its edges where it has room for them, then a pattern. Whoever frees or moves a block
 * sees to it that nothing reachable points to where it was, as a program has to; unreachable nodes may.
 */
#include "heap_model.h"

#include <errno.h>
#include <gcalloc.h>
#include <gcalloc/rc.h>
#include <string.h>

#include "fuzz.h"

#define NODES_MOST 1500
#define BYTES_MOST ((size_t)32 << 20) /* of all nodes that are made; then only small ones */
#define PATTERN_WHOLE 1024            /* of larger blocks, the ends and a byte of each so many */

struct body {
    uint32_t number;
    uint32_t unused;
    void *edges[EDGES];
};

static struct node nodes[NODES_MOST];
static uint32_t node_count, first_number = 1;
static size_t bytes_made;
static void *handles[HANDLES];
static struct node *held[HANDLES];
static void *weak[WEAK_LINKS];
static struct node *weakly[WEAK_LINKS]; /* NULL: not linked */

static void on_destroy(void *object);

GCA_LAYOUT(layout, struct body, offsetof(struct body, edges), offsetof(struct body, edges) + sizeof(void *),
           offsetof(struct body, edges) + 2 * sizeof(void *));
static const gca_type type = {.name = "node", .destroy = on_destroy};

static void *address_of(const struct node *node)
{
    return node == NULL ? NULL : (void *)~node->hidden;
}

/* NULL: of an earlier input. */
static struct node *node_of(uint32_t number)
{
    REQUIRE(number > 0 && number < first_number + node_count);
    return number < first_number ? NULL : &nodes[number - first_number];
}

static bool is_counted(const struct node *node)
{
    return node != NULL && node->kind == NODE_COUNTED;
}

static bool has_edges(const struct node *node)
{
    return node->kind != NODE_ATOMIC && node->bytes >= sizeof(struct body);
}

/* ---- Contents ---------------------------------------------------------------------------------------------------- */

static size_t pattern_start(const struct node *node)
{
    return has_edges(node) ? sizeof(struct body) : node->bytes >= sizeof node->number ? sizeof node->number : 0;
}

static unsigned char pattern_at(const struct node *node, size_t at)
{
    return (unsigned char)(node->number * 37 + at * 11 + 5);
}

static void paint(const struct node *node)
{
    unsigned char *bytes = address_of(node);
    if (node->bytes >= sizeof node->number)
        memcpy(bytes, &node->number, sizeof node->number);
    for (size_t i = pattern_start(node); i < node->bytes; i++)
        bytes[i] = pattern_at(node, i);
}

/* The pattern up to `end`. */
static void check_pattern(const struct node *node, size_t end)
{
    const unsigned char *bytes = address_of(node);
    for (size_t i = pattern_start(node); i < end;) {
        REQUIRE(bytes[i] == pattern_at(node, i));
        bool is_near_end = i < PATTERN_WHOLE || end - i <= PATTERN_WHOLE;
        i += is_near_end ? 1 : end - i - PATTERN_WHOLE < PATTERN_WHOLE ? end - i - PATTERN_WHOLE : PATTERN_WHOLE;
    }
    if (end >= sizeof node->number)
        REQUIRE(memcmp(bytes, &node->number, sizeof node->number) == 0);
}

static void check_zero(const struct node *node, size_t start)
{
    const unsigned char *bytes = address_of(node);
    for (size_t i = start; i < node->bytes; i++)
        REQUIRE(bytes[i] == 0);
}

/* ---- What is reachable ------------------------------------------------------------------------------------------- */

static void mark(struct node *node, struct node **list, uint32_t *length)
{
    if (node == NULL || node->is_marked)
        return;
    node->is_marked = true;
    list[(*length)++] = node;
}

static uint32_t mark_all(struct node **list)
{
    uint32_t length = 0;
    for (uint32_t i = 0; i < node_count; i++)
        nodes[i].is_marked = false;
    for (unsigned i = 0; i < HANDLES; i++)
        mark(held[i], list, &length);
    for (uint32_t i = 0; i < node_count; i++) {
        if (nodes[i].kind == NODE_UNCOLLECTABLE && !nodes[i].was_freed)
            mark(&nodes[i], list, &length);
    }
    for (uint32_t at = 0; at < length; at++) {
        for (unsigned edge = 0; edge < EDGES; edge++)
            mark(list[at]->edges[edge], list, &length);
    }
    return length;
}

static bool is_reachable(const struct node *node)
{
    struct node *list[NODES_MOST];
    (void)mark_all(list);
    return node->is_marked;
}

/* ---- Places that hold nodes: the model first, as a release may destroy ------------------------------------------- */

static void set_place(void **place, struct node **model, struct node *to)
{
    struct node *before = *model;
    if (is_counted(to))
        to->count++;
    *model = to;
    if (is_counted(before))
        before->count--;
    if (!is_counted(to) && !is_counted(before)) {
        *place = address_of(to);
    } else if (is_counted(to) && is_counted(before)) {
        gca_set_field(place, address_of(to));
    } else if (is_counted(to)) {
        *place = gca_retain(address_of(to));
    } else {
        gca_clear(place);
        *place = address_of(to);
    }
}

static void **edge_of(const struct node *node, unsigned edge)
{
    return &((struct body *)address_of(node))->edges[edge];
}

static void clear_edges(struct node *node)
{
    for (unsigned edge = 0; edge < EDGES; edge++) {
        if (node->edges[edge] != NULL)
            set_place(edge_of(node, edge), &node->edges[edge], NULL);
    }
}

/* Everything reachable that holds the node holds `address` instead; NULL: nothing. The node is not counted. */
static void move_holders(struct node *node, void *address)
{
    struct node *list[NODES_MOST];
    uint32_t count = mark_all(list);
    for (uint32_t i = 0; i < count * EDGES; i++) {
        struct node *from = list[i / EDGES];
        if (from->edges[i % EDGES] != node || from == node)
            continue;
        *edge_of(from, i % EDGES) = address;
        from->edges[i % EDGES] = address == NULL ? NULL : node;
    }
    for (unsigned i = 0; i < HANDLES; i++) {
        if (held[i] != node)
            continue;
        handles[i] = address;
        held[i] = address == NULL ? NULL : node;
    }
}

/* ---- Callbacks --------------------------------------------------------------------------------------------------- */

static void on_destroy(void *object)
{
    uint32_t number;
    memcpy(&number, object, sizeof number);
    struct node *node = node_of(number);
    if (node == NULL) {
        for (unsigned edge = 0; edge < EDGES; edge++)
            ((struct body *)object)->edges[edge] = NULL;
        return;
    }
    REQUIRE(node->kind == NODE_COUNTED && object == address_of(node) && !node->was_destroyed);
    REQUIRE(node->count == 0 || !is_reachable(node));
    node->was_destroyed = true;
    check_pattern(node, node->bytes);
    for (unsigned edge = 0; edge < EDGES; edge++) {
        if (is_counted(node->edges[edge]))
            set_place(edge_of(node, edge), &node->edges[edge], NULL);
        node->edges[edge] = NULL;
    }
}

static void on_finalize(void *object, void *data)
{
    struct node *node = node_of((uint32_t)(uintptr_t)data);
    if (node == NULL)
        return;
    REQUIRE(object == address_of(node) && node->has_finalizer && !node->was_finalized && !node->was_freed);
    REQUIRE(!is_reachable(node));
    node->was_finalized = true;
    check_pattern(node, node->bytes);
}

/* ---- Making and ending nodes ------------------------------------------------------------------------------------- */

static void *make_block(const struct node *node)
{
    switch (node->kind) {
    case NODE_ATOMIC:
        return gca_malloc_atomic(node->bytes);
    case NODE_UNCOLLECTABLE:
        return gca_malloc_uncollectable(node->bytes);
    case NODE_ARRAY:
        return gca_calloc(node->bytes, 1);
    case NODE_ALIGNED:
        return gca_aligned_alloc(node->alignment, node->bytes);
    case NODE_TYPED:
        return gca_malloc_typed(node->bytes, &layout);
    case NODE_COUNTED:
        return gca_rc_new(node->bytes, &type);
    default:
        return gca_malloc(node->bytes);
    }
}

void gci_model_make(unsigned handle, enum node_kind kind, size_t bytes, size_t alignment)
{
    if (node_count == NODES_MOST)
        return;
    if (bytes_made > BYTES_MOST)
        bytes %= 256;
    if (kind == NODE_COUNTED && bytes < sizeof(struct body))
        bytes = sizeof(struct body);
    bytes_made += bytes;
    struct node *node = &nodes[node_count];
    *node = (struct node){.kind = kind, .number = first_number + node_count, .bytes = bytes};
    node->alignment = kind == NODE_ALIGNED ? alignment : 16;
    node_count++;
    void *block = make_block(node);
    REQUIRE(block != NULL && (uintptr_t)block % node->alignment == 0);
    node->hidden = ~(uintptr_t)block;
    if (kind != NODE_ATOMIC && kind != NODE_ALIGNED)
        check_zero(node, 0);
    else
        memset(block, 0, bytes);
    paint(node);
    gci_model_hold(handle, node);
    if (kind == NODE_COUNTED)
        gca_release(block);
}

struct node *gci_model_at(unsigned handle)
{
    return held[handle];
}

void gci_model_hold(unsigned handle, struct node *node)
{
    set_place(&handles[handle], &held[handle], node);
}

void gci_model_drop(unsigned handle)
{
    gci_model_hold(handle, NULL);
}

/* Links to a node that goes, or moves, are NULL from then on. */
static void expect_no_links(const struct node *node)
{
    for (unsigned place = 0; place < WEAK_LINKS; place++) {
        if (weakly[place] != node)
            continue;
        REQUIRE(weak[place] == NULL);
        weakly[place] = NULL;
    }
}

void gci_model_free(struct node *node)
{
    if (node->kind == NODE_COUNTED)
        return;
    void *address = address_of(node);
    check_pattern(node, node->bytes);
    clear_edges(node);
    move_holders(node, NULL);
    node->was_freed = true;
    gca_free(address);
    expect_no_links(node);
}

/* What of the new block the library has cleared. */
static void check_grown(const struct node *node, size_t before)
{
    if (node->kind == NODE_SCANNED || node->kind == NODE_UNCOLLECTABLE)
        check_zero(node, before < node->bytes ? before : node->bytes);
}

void gci_model_resize(struct node *node, size_t bytes)
{
    if (node->kind == NODE_COUNTED)
        return;
    size_t before = node->bytes;
    bytes = bytes == 0 || bytes_made > BYTES_MOST ? 1 + bytes % 256 : bytes;
    bytes_made += bytes;
    if (bytes < sizeof(struct body))
        clear_edges(node);
    void *old = address_of(node), *block = gca_realloc(old, bytes);
    REQUIRE(block != NULL);
    node->hidden = ~(uintptr_t)block;
    bool had_edges = has_edges(node);
    check_pattern(node, before < bytes ? before : bytes);
    node->bytes = bytes;
    check_grown(node, before);
    if (has_edges(node) && !had_edges)
        memset(((struct body *)block)->edges, 0, sizeof(struct body) - offsetof(struct body, edges));
    for (unsigned edge = 0; edge < EDGES; edge++) {
        if (node->edges[edge] == node)
            *edge_of(node, edge) = block;
    }
    paint(node);
    if (block == old)
        return;
    node->alignment = 16;
    node->has_finalizer = false;
    move_holders(node, block);
    expect_no_links(node);
}

/* ---- Edges, links, counts ---------------------------------------------------------------------------------------- */

void gci_model_point(struct node *from, unsigned edge, struct node *to)
{
    if (has_edges(from))
        set_place(edge_of(from, edge), &from->edges[edge], to);
}

void gci_model_link(unsigned place, struct node *node)
{
    if (weakly[place] != NULL && weak[place] != NULL)
        REQUIRE(gca_weak_unlink(&weak[place]) == 0);
    weakly[place] = node;
    weak[place] = address_of(node);
    if (node != NULL)
        REQUIRE(gca_weak_link(&weak[place], address_of(node)) == 0);
}

void gci_model_finalize(struct node *node, bool in_order)
{
    if (node->kind == NODE_COUNTED)
        return;
    void *data = (void *)(uintptr_t)node->number;
    node->has_finalizer = true;
    if (in_order)
        REQUIRE(gca_finalizer_set(address_of(node), on_finalize, data) == 0);
    else
        REQUIRE(gca_finalizer_set_unordered(address_of(node), on_finalize, data) == 0);
}

void gci_model_count(struct node *node, unsigned times)
{
    for (; node->extra > 0; node->extra--) {
        node->count--;
        gca_release(address_of(node));
    }
    for (; times > 0; times--) {
        node->extra++;
        node->count++;
        REQUIRE(gca_retain(address_of(node)) == address_of(node));
    }
}

/* ---- Checks ------------------------------------------------------------------------------------------------------ */

static void check_node(const struct node *node)
{
    REQUIRE(!node->was_freed && !node->was_destroyed && !node->was_finalized);
    check_pattern(node, node->bytes);
    for (unsigned edge = 0; has_edges(node) && edge < EDGES; edge++)
        REQUIRE(*edge_of(node, edge) == address_of(node->edges[edge]));
    if (node->kind == NODE_COUNTED)
        REQUIRE(gca_rc_count(address_of(node)) == node->count && node->count > 0);
    else
        REQUIRE(gca_usable_size(address_of(node)) >= node->bytes);
}

void gci_model_check(void)
{
    struct node *list[NODES_MOST];
    uint32_t count = mark_all(list);
    for (uint32_t i = 0; i < count; i++)
        check_node(list[i]);
    for (unsigned i = 0; i < HANDLES; i++)
        REQUIRE(handles[i] == address_of(held[i]));
    for (unsigned place = 0; place < WEAK_LINKS; place++) {
        if (weakly[place] != NULL && weakly[place]->is_marked)
            REQUIRE(weak[place] == address_of(weakly[place]));
    }
}

static bool note_held(const struct gca_object *object, void *data)
{
    unsigned *seen = data;
    for (unsigned i = 0; i < HANDLES; i++) {
        if (handles[i] != object->address)
            continue;
        REQUIRE(object->bytes >= held[i]->bytes && object->is_scanned == (held[i]->kind != NODE_ATOMIC));
        seen[i]++;
    }
    return true;
}

void gci_model_walk(void)
{
    unsigned seen[HANDLES] = {0};
    int failure = gca_walk(note_held, seen);
    for (unsigned i = 0; failure == 0 && i < HANDLES; i++)
        REQUIRE(seen[i] == (held[i] != NULL));
}

static bool count_objects(const struct gca_object *object, void *data)
{
    REQUIRE(object->address != NULL);
    ++*(unsigned *)data;
    return true;
}

void gci_model_ask(const struct node *node)
{
    unsigned length = 0, edges = 0, referents = 0;
    if (node == NULL || node->kind == NODE_COUNTED)
        return;
    char *address = address_of(node);
    REQUIRE(gca_base(address) == address && gca_base(address + node->bytes / 2) == address);
    int failure = gca_path_to_root(address, count_objects, &length);
    REQUIRE(failure == EAGAIN || (failure == 0 && length > 0));
    for (unsigned edge = 0; edge < EDGES; edge++)
        edges += node->edges[edge] != NULL;
    failure = gca_referents(address, count_objects, &referents);
    REQUIRE(failure == EAGAIN || (failure == 0 && (edges == 0 || referents > 0)));
}

/* ---- One input --------------------------------------------------------------------------------------------------- */

static void reset_options(void)
{
    static const char *const usual[][2] = {{"mode", "gc"},       {"markers", "0"},       {"simd", "auto"},
                                           {"verify", "0"},      {"min_headroom", "4M"}, {"huge_pages", "1"},
                                           {"release_ms", "100"}};
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        REQUIRE(gca_option_set(usual[i][0], usual[i][1]) == 0);
}

void gci_model_add_roots(void)
{
    REQUIRE(gca_roots_add(handles, handles + HANDLES) == 0);
    REQUIRE(gca_roots_add(weak, weak + WEAK_LINKS) == 0);
}

void gci_model_begin(void)
{
    node_count = 0;
    bytes_made = 0;
    reset_options();
}

/* Of counted nodes, what has been retained beside. */
static void release_extra(void)
{
    struct node *list[NODES_MOST];
    uint32_t count = mark_all(list);
    for (uint32_t i = 0; i < count; i++)
        gci_model_count(list[i], 0);
}

void gci_model_end(void)
{
    release_extra();
    for (unsigned place = 0; place < WEAK_LINKS; place++)
        gci_model_link(place, NULL);
    for (uint32_t i = 0; i < node_count; i++) {
        if (nodes[i].kind == NODE_UNCOLLECTABLE && !nodes[i].was_freed)
            gci_model_free(&nodes[i]);
    }
    for (unsigned i = 0; i < HANDLES; i++)
        gci_model_drop(i);
    reset_options();
    (void)gca_unfreeze();
    (void)gca_collect();
    (void)gca_finalize_run();
    first_number += node_count;
    node_count = 0;
}
