/* SPDX-License-Identifier: MIT */
/* Implementation of collect/snapshot.h. An object's number is that of the first one of its unit, kept where the marker has its
 * queue, and how many allocated slots come before it there: nothing has to be searched for. */
#include "collect/snapshot.h"

#include <errno.h>

#include "base/bits.h"
#include "collect/bound.h"
#include "heap/special/counted.h"
#include "heap/special/special.h"
#include "mark/mark.h"
#include "platform/thread.h"

#define NO_NUMBER UINT32_MAX

struct snapshot {
    const struct cycle_scene *scene;
    const struct snapshot_visitor *visitor;
    struct heap *heap;
    uint32_t *first; /* by unit */
    int failure;
};

static uintptr_t header_bytes(const struct object *object)
{
    return object->kind == KIND_HEADED ? COUNTED_HEADER_BYTES : 0;
}

/* ---- Numbers ------------------------------------------------------------------------------------------------------ */

static uint64_t allocated_bits(const struct heap *heap, uint32_t unit, unsigned index)
{
    return block_valid_bits(block_class(heap, unit), index) & ~block_free_bits(block_at(heap, unit), index);
}

static uint32_t count_in(const struct heap *heap, uint32_t unit, unsigned words)
{
    uint32_t count = 0;
    for (unsigned i = 0; i < words; i++)
        count += count_bits(allocated_bits(heap, unit, i));
    return count;
}

static bool number_objects(const struct snapshot *snapshot)
{
    const struct heap *heap = snapshot->heap;
    uint64_t next = 0;
    for (uint32_t unit = 1; unit < heap->frontier && next < NO_NUMBER; unit++) {
        snapshot->first[unit] = (uint32_t)next;
        if (heap->meta.hot[unit].use == UNIT_SMALL)
            next += count_in(heap, unit, block_class(heap, unit)->words);
        else if (heap->meta.hot[unit].use == UNIT_LARGE)
            next++;
    }
    return next < NO_NUMBER;
}

static uint32_t number_of(const struct snapshot *snapshot, const struct object *object)
{
    unsigned word = object->slot / BITS_PER_WORD;
    uint32_t number = snapshot->first[object->unit];
    if (object->is_large)
        return number;
    uint64_t before = allocated_bits(snapshot->heap, object->unit, word) & low_bits(object->slot % BITS_PER_WORD);
    return number + count_in(snapshot->heap, object->unit, word) + count_bits(before);
}

/* The object that the word points into; NO_NUMBER: none. */
static uint32_t find(const struct snapshot *snapshot, uintptr_t word, uint32_t *to_offset)
{
    uintptr_t address = word_address(word);
    struct object object = gci_resolve(snapshot->heap, address);
    if (!object_is_allocated(snapshot->heap, object))
        return NO_NUMBER;
    uintptr_t known = object.start + header_bytes(&object);
    *to_offset = address > known ? (uint32_t)(address - known) : 0;
    return number_of(snapshot, &object);
}

/* ---- Objects ------------------------------------------------------------------------------------------------------ */

typedef void (*object_fn)(struct snapshot *snapshot, struct object object);

static void each_of_block(struct snapshot *snapshot, uint32_t unit, object_fn visit)
{
    const struct size_class *size_class = block_class(snapshot->heap, unit);
    for (unsigned i = 0; i < size_class->words; i++)
        for (uint64_t used = allocated_bits(snapshot->heap, unit, i); used != 0; used &= used - 1) {
            uintptr_t slot = (uintptr_t)i * BITS_PER_WORD + lowest_bit(used);
            visit(snapshot, gci_resolve(snapshot->heap, unit_address(snapshot->heap, unit) + slot * size_class->bytes));
        }
}

static void each_object(struct snapshot *snapshot, object_fn visit)
{
    for (uint32_t unit = 1; unit < snapshot->heap->frontier; unit++) {
        uint8_t use = snapshot->heap->meta.hot[unit].use;
        if (use == UNIT_SMALL)
            each_of_block(snapshot, unit, visit);
        else if (use == UNIT_LARGE)
            visit(snapshot, gci_resolve(snapshot->heap, unit_address(snapshot->heap, unit)));
    }
}

static void show_object(struct snapshot *snapshot, struct object object)
{
    const struct counted *counted = (const struct counted *)object.start; // NOLINT(performance-no-int-to-ptr)
    const struct snapshot_object shown = {.object = object,
                                          .address = object.start + header_bytes(&object),
                                          .is_reachable = gci_mark_is_set(snapshot->heap, object.unit, object.slot),
                                          .is_counted =
                                              object.kind == KIND_HEADED && counted_state(counted) != COUNTED_TYPED,
                                          .is_frozen = gci_sweep_is_frozen(snapshot->heap, object.unit, object.slot)};
    snapshot->visitor->object(&shown, snapshot->visitor->data);
}

/* ---- Edges -------------------------------------------------------------------------------------------------------- */

static void show_edge(const struct snapshot *snapshot, uint32_t from, size_t offset, uintptr_t word)
{
    struct snapshot_edge edge = {.from = from, .offset = (uint32_t)offset};
    edge.to = find(snapshot, word, &edge.to_offset);
    if (edge.to != NO_NUMBER)
        snapshot->visitor->edge(&edge, snapshot->visitor->data);
}

READS_RAW_MEMORY static void show_words(const struct snapshot *snapshot, uint32_t from, struct range words)
{
    for (uintptr_t at = words.lo; at + sizeof(uintptr_t) <= words.hi; at += sizeof(uintptr_t)) {
        uintptr_t word = *(const counted_word *)at; // NOLINT(performance-no-int-to-ptr)
        if (UNLIKELY(heap_contains(snapshot->heap, word_address(word))))
            show_edge(snapshot, from, at - words.lo, word);
    }
}

/* One element after the other, as counted_each_word does; what is not in the layout holds nothing. */
READS_RAW_MEMORY static void show_words_of_layout(const struct snapshot *snapshot, uint32_t from,
                                                  const struct layout *layout, struct range words)
{
    for (uintptr_t element = words.lo; element < words.hi; element += layout->bytes)
        for (size_t i = 0; i < layout->count; i++) {
            uintptr_t at = element + layout->offsets[i];
            if (at + sizeof(uintptr_t) <= words.hi)
                show_edge(snapshot, from, at - words.lo, *(const counted_word *)at); // NOLINT
        }
}

static void show_edges(struct snapshot *snapshot, struct object object)
{
    const struct counted *counted = (const struct counted *)object.start; // NOLINT(performance-no-int-to-ptr)
    const struct layout *layout = object.kind == KIND_HEADED ? counted_layout(counted) : NULL;
    struct range words = {object.start + header_bytes(&object), object.start + object.bytes};
    if (object.kind == KIND_ATOMIC)
        return;
    uint32_t from = number_of(snapshot, &object);
    if (layout != NULL)
        show_words_of_layout(snapshot, from, layout, words);
    else
        show_words(snapshot, from, words);
}

/* An ephemeron holds the complement of the value's address. */
static bool show_value(struct special *special, void *data)
{
    struct snapshot *snapshot = data;
    uint32_t unused;
    if (special->kind != SPECIAL_KEY)
        return true;
    uint32_t from = find(snapshot, special->first, &unused);
    const struct ephemeron *ephemeron = (const struct ephemeron *)special->first; // NOLINT(performance-no-int-to-ptr)
    if (from != NO_NUMBER && ephemeron->hidden_key != 0)
        show_edge(snapshot, from, offsetof(struct ephemeron, hidden_value), ~ephemeron->hidden_value);
    return true;
}

/* ---- Roots -------------------------------------------------------------------------------------------------------- */

static void show_root(const struct snapshot *snapshot, struct snapshot_root root, uintptr_t word)
{
    root.object = find(snapshot, word, &root.to_offset);
    if (root.object != NO_NUMBER)
        snapshot->visitor->root(&root, snapshot->visitor->data);
}

static struct snapshot_root root_at(const struct snapshot *snapshot, const struct root_piece *piece, size_t index)
{
    struct snapshot_root root = {.kind = piece->kind, .thread = piece->thread};
    struct root_place place;
    if (piece->address == 0)
        return root;
    root.address = piece->address + index * sizeof(uintptr_t);
    if (piece->kind == ROOT_STACK)
        root.thread = gci_process_id(); /* the main thread's, unless a handler's frame lies there */
    if (gci_roots_find_thread(root.address, snapshot->scene->caller.registers, &place)) {
        root.kind = place.kind;
        root.thread = place.thread;
    }
    if (root.kind == ROOT_REGISTER)
        root.address = 0;
    return root;
}

static void show_piece(const struct root_piece *piece, void *data)
{
    struct snapshot *snapshot = data;
    for (size_t i = 0; i < piece->count; i++)
        if (UNLIKELY(heap_contains(snapshot->heap, word_address(piece->words[i]))))
            show_root(snapshot, root_at(snapshot, piece, i), piece->words[i]);
}

static void show_own(uintptr_t address, void *data)
{
    show_root(data, (struct snapshot_root){.is_own = true}, address);
}

static void show_if_own(struct snapshot *snapshot, struct object object)
{
    if (object.kind == KIND_UNCOLLECTABLE || gci_sweep_is_frozen(snapshot->heap, object.unit, object.slot))
        show_own(object.start, snapshot);
}

/* What finalizers and immortal objects hold. */
static bool show_record(struct special *special, void *data)
{
    struct snapshot *snapshot = data;
    struct object object = gci_resolve(snapshot->heap, special->object);
    bool is_finalizer = special->kind == SPECIAL_FINALIZER || special->kind == SPECIAL_FINALIZER_UNORDERED;
    if (special->kind == SPECIAL_IMMORTAL)
        show_own(special->object, snapshot);
    else if (is_finalizer && gci_mark_is_set(snapshot->heap, object.unit, object.slot))
        show_own(special->second, snapshot);
    return true;
}

/* ---- In order ----------------------------------------------------------------------------------------------------- */

static void show_all(struct snapshot *snapshot)
{
    bool has_records = word_load(&gci_special_count) != 0;
    each_object(snapshot, show_object);
    each_object(snapshot, show_edges);
    if (has_records)
        gci_special_each(show_value, snapshot);
    if (!gci_roots_each(snapshot->scene->pages, &snapshot->scene->caller, show_piece, snapshot))
        snapshot->failure = EAGAIN;
    each_object(snapshot, show_if_own);
    if (has_records)
        gci_special_each(show_record, snapshot);
    gci_bound_each_due(snapshot->heap, show_own, snapshot);
}

static void look(const struct cycle_scene *scene, void *data)
{
    struct snapshot *snapshot = data;
    snapshot->scene = scene;
    snapshot->failure = number_objects(snapshot) ? 0 : EOVERFLOW;
    if (snapshot->failure != 0)
        return;
    gci_bound_hide(snapshot->heap);
    show_all(snapshot);
    gci_bound_show();
}

int gci_snapshot_take(const struct roots_caller *caller, const struct snapshot_visitor *visitor)
{
    struct snapshot snapshot = {.visitor = visitor, .heap = &gci_heap, .first = gci_heap.meta.queue};
    const struct cycle_look at = {.look = look, .data = &snapshot, .is_exact = true, .caller = caller};
    return gci_cycle_look(&at) ? snapshot.failure : EAGAIN;
}
