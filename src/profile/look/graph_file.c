/* SPDX-License-Identifier: MIT */
/* Implementation of profile/look/graph_file.h. */
#include "profile/look/graph_file.h"

#include "collect/snapshot.h"
#include "profile/age.h"
#include "profile/look/leak_groups.h"
#include "profile/look/origin.h"
#include "profile/sampler.h"

/* ---- Leaks -------------------------------------------------------------------------------------------------------- */

static void add_leak(struct writer *writer, const struct profile_leak *leak)
{
    gci_writer_stack(writer, leak->stack);
    gci_writer_record(writer, PROFILE_LEAK, leak, sizeof *leak);
}

int gci_graph_file_add_leaks(struct writer *writer, const struct roots_caller *caller)
{
    struct leak_groups found;
    int failure = gci_leak_groups_find(&found, caller);
    uint64_t now_ns = gci_age_now_ns();
    for (size_t i = 0; i < found.count; i++) {
        const struct leak_group *group = &found.groups[i];
        const struct profile_leak leak = {.stack = group->stack,
                                          .kind = group->kind,
                                          .objects = group->objects,
                                          .bytes = group->bytes,
                                          .first_ns = group->first_ns,
                                          .last_ns = group->last_ns,
                                          .address = ~group->hidden,
                                          .time_ns = now_ns};
        add_leak(writer, &leak);
    }
    gci_leak_groups_forget(&found);
    return failure;
}

/* A record for each row: those of one stack belong together. */
void gci_graph_file_add_collected(struct writer *writer)
{
    uint64_t now_ns = gci_age_now_ns();
    for (uint32_t i = 0; i < gci_sites_row_count(); i++) {
        const struct site_row *row = gci_sites_row(i);
        const struct profile_leak leak = {
            .stack = gci_sites_rest(row)->stack,
            .kind = PROFILE_LEAK_DIRECT,
            .objects = site_whole_objects(word_load(&gci_sites_rest(row)->others.reclaimed_objects)),
            .bytes = word_load(&gci_sites_rest(row)->others.reclaimed_bytes),
            .time_ns = now_ns,
            .is_collected = 1};
        if (leak.objects != 0)
            add_leak(writer, &leak);
    }
}

void gci_graph_file_add_leaks_known(struct writer *writer)
{
    const struct profile_leaks_known known = {.time_ns = gci_age_now_ns()};
    gci_writer_record(writer, PROFILE_LEAKS_KNOWN, &known, sizeof known);
}

/* ---- Graph -------------------------------------------------------------------------------------------------------- */

/* Entries of one kind are gathered into records of up to that many bytes. */
#define PIECE_BYTES_MAX ((size_t)96 << 10)

struct piece {
    struct writer *writer;
    enum profile_kind kind;
    size_t bytes; /* of the record that is being made; 0: none is */
};

static void end_piece(struct piece *piece)
{
    if (piece->bytes != 0)
        gci_writer_end(piece->writer);
    piece->bytes = 0;
}

static void add_entry(struct piece *piece, enum profile_kind kind, const void *entry, size_t bytes)
{
    if (piece->kind != kind || piece->bytes + bytes > PIECE_BYTES_MAX)
        end_piece(piece);
    if (piece->bytes == 0)
        gci_writer_begin(piece->writer, kind);
    piece->kind = kind;
    piece->bytes += bytes;
    gci_writer_add(piece->writer, entry, bytes);
}

static uint32_t flags_of(const struct snapshot_object *object)
{
    return (object->is_reachable ? PROFILE_OBJECT_REACHABLE : 0u) |
           (object->object.kind == KIND_ATOMIC ? PROFILE_OBJECT_ATOMIC : 0u) |
           (object->object.kind == KIND_UNCOLLECTABLE ? PROFILE_OBJECT_UNCOLLECTABLE : 0u) |
           (object->is_counted ? PROFILE_OBJECT_COUNTED : 0u) | (object->is_frozen ? PROFILE_OBJECT_FROZEN : 0u);
}

/* A stack that came between the figures and the stop is written first. */
static void add_object(const struct snapshot_object *object, void *data)
{
    struct piece *piece = data;
    struct origin origin = gci_origin_find(&object->object);
    const struct profile_object entry = {object->address, origin.bytes, origin.stack, flags_of(object)};
    if (UNLIKELY(!gci_writer_knows_stack(piece->writer, origin.stack))) {
        end_piece(piece);
        gci_writer_stack(piece->writer, origin.stack);
    }
    add_entry(piece, PROFILE_OBJECTS, &entry, sizeof entry);
}

static void add_edge(const struct snapshot_edge *edge, void *piece)
{
    const struct profile_edge entry = {edge->from, edge->to, edge->offset, edge->to_offset};
    add_entry(piece, PROFILE_EDGES, &entry, sizeof entry);
}

static void add_root(const struct snapshot_root *root, void *piece)
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
    add_entry(piece, PROFILE_ROOTS, &entry, sizeof entry);
}

int gci_graph_file_add_graph(struct writer *writer, const struct roots_caller *caller)
{
    struct piece piece = {.writer = writer};
    const struct snapshot_visitor visitor = {add_object, add_edge, add_root, &piece};
    int failure = gci_snapshot_take(caller, &visitor);
    end_piece(&piece);
    return failure;
}
