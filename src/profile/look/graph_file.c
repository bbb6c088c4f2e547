/* SPDX-License-Identifier: MIT */
/* Implementation of profile/look/graph_file.h. */
#include "profile/look/graph_file.h"

#include "collect/snapshot.h"
#include "profile/look/origin.h"

/* ---- Leaks -------------------------------------------------------------------------------------------------------- */

int gci_graph_file_add_leaks(struct records *records, const struct roots_caller *caller, uint64_t time_ns)
{
    struct leak_groups found;
    int failure = gci_leak_groups_find(&found, caller);
    for (size_t i = 0; i < found.count; i++) {
        const struct leak_group *group = &found.groups[i];
        const struct profile_leak leak = {.stack = group->stack,
                                          .kind = group->kind,
                                          .objects = group->objects,
                                          .bytes = group->bytes,
                                          .first_ns = group->first_ns,
                                          .last_ns = group->last_ns,
                                          .address = ~group->hidden,
                                          .time_ns = time_ns};
        gci_records_write(records, PROFILE_LEAK, &leak, sizeof leak);
    }
    gci_leak_groups_forget(&found);
    return failure;
}

/* ---- Graph -------------------------------------------------------------------------------------------------------- */

static uint32_t flags_of(const struct snapshot_object *object)
{
    return (object->is_reachable ? PROFILE_OBJECT_REACHABLE : 0u) |
           (object->object.kind == KIND_ATOMIC ? PROFILE_OBJECT_ATOMIC : 0u) |
           (object->object.kind == KIND_UNCOLLECTABLE ? PROFILE_OBJECT_UNCOLLECTABLE : 0u) |
           (object->is_counted ? PROFILE_OBJECT_COUNTED : 0u) | (object->is_frozen ? PROFILE_OBJECT_FROZEN : 0u);
}

static void add_object(const struct snapshot_object *object, void *records)
{
    struct origin origin = gci_origin_find(&object->object);
    const struct profile_object entry = {object->address, origin.bytes, origin.stack, flags_of(object)};
    gci_records_add(records, PROFILE_OBJECTS, &entry, sizeof entry);
}

static void add_edge(const struct snapshot_edge *edge, void *records)
{
    const struct profile_edge entry = {edge->from, edge->to, edge->offset, edge->to_offset};
    gci_records_add(records, PROFILE_EDGES, &entry, sizeof entry);
}

static void add_root(const struct snapshot_root *root, void *records)
{
    static const uint32_t kinds[] = {
        [ROOT_STATIC] = PROFILE_ROOT_STATIC,     [ROOT_STACK] = PROFILE_ROOT_STACK,
        [ROOT_REGISTER] = PROFILE_ROOT_REGISTER, [ROOT_MAPPING] = PROFILE_ROOT_MAPPING,
        [ROOT_KERNEL] = PROFILE_ROOT_KERNEL,     [ROOT_ADDED] = PROFILE_ROOT_ADDED,
    };
    const struct profile_root entry = {.address = root->address,
                                       .object = root->object,
                                       .to_offset = root->to_offset,
                                       .kind = root->is_own ? PROFILE_ROOT_OWN : kinds[root->kind],
                                       .thread = root->thread};
    gci_records_add(records, PROFILE_ROOTS, &entry, sizeof entry);
}

int gci_graph_file_add_graph(struct records *records, const struct roots_caller *caller)
{
    const struct snapshot_visitor visitor = {add_object, add_edge, add_root, records};
    return gci_snapshot_take(caller, &visitor);
}
