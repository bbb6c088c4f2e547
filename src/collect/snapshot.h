/* SPDX-License-Identifier: MIT */
/* The whole heap as a graph, for a file: every object that is not freed, every word of one that points into another, every
 * root. Unlike collect/graph.h it keeps nothing: what is found goes to the visitor at once, world stopped, in the order of
 * struct snapshot_visitor. Objects are numbered from 0, in the order of addresses.
 *
 * That the visitor writes while the world stands still makes the pause as long as the writing, a second for some ten million
 * objects. A copy of the process, made while it stands, could write while the program goes on; but it would hold copies of all
 * descriptors, so that who reads a pipe of the program's waits for it, count against its limits on processes and on memory,
 * and need somebody to await it, where there is no thread of ours.
 */
#ifndef GCI_COLLECT_SNAPSHOT_H
#define GCI_COLLECT_SNAPSHOT_H

#include "collect/cycle.h"
#include "heap/resolve.h"

struct snapshot_object {
    struct object object;
    uintptr_t address; /* as the program knows it: behind a header of ours */
    bool is_reachable;
    bool is_counted;
    bool is_frozen;
};

/* Offsets from the addresses that the program knows. */
struct snapshot_edge {
    uint32_t from;
    uint32_t to;
    uint32_t offset;
    uint32_t to_offset;
};

struct snapshot_root {
    uintptr_t address; /* of the word; 0: in no memory of the program's */
    uint32_t object;
    uint32_t to_offset;
    enum root_kind kind;
    bool is_own; /* no word of the program's: the object is uncollectable, frozen, or waits for its end to be told */
    uint32_t thread; /* whose stack or registers; 0: nobody's */
};

struct snapshot_visitor {
    void (*object)(const struct snapshot_object *object, void *data);
    void (*edge)(const struct snapshot_edge *edge, void *data);
    void (*root)(const struct snapshot_root *root, void *data);
    void *data;
};

/* 0; EOVERFLOW: more objects than have numbers; EAGAIN: threads could not be stopped. */
int gci_snapshot_take(const struct roots_caller *caller, const struct snapshot_visitor *visitor);

#endif
