/* SPDX-License-Identifier: MIT */
/* The functions of gcalloc.h about the heap as a graph. */
#include <gcalloc/rc.h>

#include <errno.h>

#include "collect/census.h"
#include "collect/graph.h"
#include "heap/special/counted.h"

static struct gca_object describe(const struct graph_node *node)
{
    const gca_type *type = (const gca_type *)node->type; // NOLINT(performance-no-int-to-ptr)
    size_t header_bytes = node->object.kind == KIND_HEADED ? COUNTED_HEADER_BYTES : 0;
    return (struct gca_object){.address = (void *)(node->object.start + header_bytes), // NOLINT
                               .bytes = node->object.bytes - header_bytes,
                               .type_name = type != NULL ? type->name : NULL,
                               .is_scanned = node->object.kind != KIND_ATOMIC};
}

static int ask(enum graph_question question, uintptr_t hidden, gca_object_fn callback, void *data)
{
    struct graph_answer answer;
    int failure = gci_graph_ask(question, hidden, &answer);
    bool goes_on = failure == 0;
    for (size_t i = 0; i < answer.count && goes_on; i++) {
        struct gca_object object = describe(&answer.nodes[i]);
        goes_on = callback(&object, data);
    }
    gci_graph_forget(&answer);
    return failure;
}

static int ask_about(enum graph_question question, const void *address, gca_object_fn callback, void *data)
{
    struct object object = gci_resolve(&gci_heap, (uintptr_t)address);
    if (!object_is_allocated(&gci_heap, object))
        return EINVAL;
    return ask(question, ~object.start, callback, data);
}

GCA_API int gca_walk(gca_object_fn callback, void *data)
{
    return ask(GRAPH_ALL, 0, callback, data);
}

GCA_API int gca_referents(const void *object, gca_object_fn callback, void *data)
{
    return ask_about(GRAPH_REFERENTS, object, callback, data);
}

GCA_API int gca_referrers(const void *object, gca_object_fn callback, void *data)
{
    return ask_about(GRAPH_REFERRERS, object, callback, data);
}

GCA_API int gca_path_to_root(const void *object, gca_object_fn callback, void *data)
{
    return ask_about(GRAPH_PATH, object, callback, data);
}

static const char *name_of(uintptr_t key)
{
    static const char *const kinds[CENSUS_KINDS_END] = {NULL, "scanned", "atomic", "uncollectable", "typed", "unnamed"};
    if (key < CENSUS_KINDS_END)
        return kinds[key];
    const char *name = ((const gca_type *)key)->name; // NOLINT(performance-no-int-to-ptr)
    return name != NULL ? name : "unnamed";
}

static int take_census(enum census_question question, gca_census_fn callback, void *data)
{
    struct census_answer answer;
    int failure = gci_census_take(question, &answer);
    bool goes_on = true;
    for (size_t i = 0; i < answer.count && goes_on; i++) {
        const struct census_row *row = &answer.rows[i];
        bool by_type = question == CENSUS_TYPES;
        struct gca_census_row told = {by_type ? name_of(row->key) : NULL, by_type ? 0 : row->key, row->objects,
                                      row->bytes};
        goes_on = callback(&told, data);
    }
    gci_census_forget(&answer);
    return failure;
}

GCA_API int gca_census_types(gca_census_fn callback, void *data)
{
    return take_census(CENSUS_TYPES, callback, data);
}

GCA_API int gca_census_sizes(gca_census_fn callback, void *data)
{
    return take_census(CENSUS_SIZES, callback, data);
}
