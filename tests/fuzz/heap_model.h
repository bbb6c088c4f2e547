/* SPDX-License-Identifier: MIT */
/* Blocks as fuzz_heap.c makes them, and what is known of them without asking the library. The model shows the collector no
 * address but those in the handles and in the blocks themselves.
 *
 * A node is held by any number of handles, and by edges of nodes that are scanned. What nothing holds, the collector may take
 * at any time: such a node is not looked at any more.
 */
#ifndef TESTS_HEAP_MODEL_H
#define TESTS_HEAP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HANDLES 48
#define EDGES 3
#define WEAK_LINKS 16

enum node_kind {
    NODE_SCANNED,
    NODE_ATOMIC,
    NODE_UNCOLLECTABLE,
    NODE_ARRAY, /* gca_calloc */
    NODE_ALIGNED,
    NODE_TYPED,
    NODE_COUNTED,
    NODE_KINDS
};

struct node {
    enum node_kind kind;
    uint32_t number;  /* never used again in this process */
    uintptr_t hidden; /* the address, each bit turned around */
    size_t bytes;     /* as asked for */
    size_t alignment;
    struct node *edges[EDGES];
    uint32_t count; /* of references, if it is counted: handles, edges, and */
    uint32_t extra; /* what gci_model_count has retained */
    bool was_freed, was_destroyed, has_finalizer, was_finalized;
    bool is_marked; /* reachable, when it was last asked for */
};

/* Once, where static data are no roots. */
void gci_model_add_roots(void);

void gci_model_begin(void);
void gci_model_end(void);

/* What a handle holds, or NULL. */
struct node *gci_model_at(unsigned handle);

/* A new node in a handle, in place of what that held. */
void gci_model_make(unsigned handle, enum node_kind kind, size_t bytes, size_t alignment);
void gci_model_hold(unsigned handle, struct node *node); /* NULL: as drop */
void gci_model_drop(unsigned handle);

/* These take reachable nodes. Counted nodes are neither resized nor freed. */
void gci_model_resize(struct node *node, size_t bytes);
void gci_model_free(struct node *node);
void gci_model_point(struct node *from, unsigned edge, struct node *to);
void gci_model_link(unsigned place, struct node *node); /* NULL: takes the link away */
void gci_model_finalize(struct node *node, bool in_order);
void gci_model_count(struct node *node, unsigned times); /* retains, and releases what it has retained before */

/* All that is reachable is as it should be; what the library's own questions say of it, too. */
void gci_model_check(void);
void gci_model_walk(void);
void gci_model_ask(const struct node *node);

#endif
