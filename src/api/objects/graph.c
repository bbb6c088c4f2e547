/* SPDX-License-Identifier: MIT */
/* The functions of gcalloc.h about the heap as a graph. */
#include <gcalloc/rc.h>

#include <errno.h>

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
