/* SPDX-License-Identifier: MIT */
/* Questions about the heap as a graph. Each stops the world, marks, looks, and lets the world go on; the answer is a list in
 * memory of its own, which the caller gives back. Callers are in no critical section.
 */
#ifndef GCI_COLLECT_GRAPH_H
#define GCI_COLLECT_GRAPH_H

#include <stddef.h>

#include "heap/resolve.h"

enum graph_question { GRAPH_ALL, GRAPH_REFERENTS, GRAPH_REFERRERS, GRAPH_PATH };

/* `type` of a counted object, as its header had it; 0 for others. */
struct graph_node {
    struct object object;
    uintptr_t type;
};

/* The list keeps what it names alive. */
struct graph_answer {
    struct graph_node *nodes;
    size_t count;
    size_t mapped_bytes; /* what `nodes` lies in */
};

/* Every object that the program has not freed, in the order of addresses. World stopped. */
typedef void (*graph_object_fn)(void *data, struct object object);
void gci_graph_each_object(graph_object_fn visit, void *data);

/* `hidden`: the object's start, complemented. 0, ENOMEM, EAGAIN, or ENOENT (no path). */
int gci_graph_ask(enum graph_question question, uintptr_t hidden, struct graph_answer *answer);
void gci_graph_forget(struct graph_answer *answer);

#endif
