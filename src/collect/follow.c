/* SPDX-License-Identifier: MIT */
/* Implementation of collect/follow.h. */
#include "collect/follow.h"

#include "base/bits.h"
#include "heap/block.h"
#include "heap/special/counted.h"

bool gci_follow_is_marked(const struct follow *follow, uintptr_t address)
{
    const struct heap *heap = follow->marking->heap;
    struct object object = gci_resolve(heap, address);
    return object_is_allocated(heap, object) && gci_mark_is_set(heap, object.unit, object.slot);
}

/* A unit is in the queue once: as long as it has objects that are marked and not looked at. */
static void mark_and_queue(struct marking *marking, struct object object)
{
    const struct metadata *meta = &marking->heap->meta;
    meta->mark[object.unit][object.slot / BITS_PER_WORD] |= UINT64_C(1) << (object.slot % BITS_PER_WORD);
    if (u32_load(&meta->queued[object.unit]) != 0)
        return;
    u32_store(&meta->queued[object.unit], 1);
    queue_push(&marking->queue, object.unit);
}

void gci_follow_mark(struct follow *follow, uintptr_t address)
{
    struct marking *marking = follow->marking;
    struct object object = gci_resolve(marking->heap, word_address(address));
    if (!object_is_allocated(marking->heap, object) || gci_mark_is_set(marking->heap, object.unit, object.slot))
        return;
    uintptr_t inside = object.start + 1;
    follow->has_marked = true;
    if (follow->is_by_object)
        mark_and_queue(marking, object);
    else
        gci_mark_root_words(marking, &inside, 1);
}

static void mark_word(void *follow, uintptr_t word)
{
    gci_follow_mark(follow, word);
}

void gci_follow_words(struct follow *follow, struct object object)
{
    const struct counted *counted = (const struct counted *)object.start; // NOLINT(performance-no-int-to-ptr)
    const struct layout *layout = object.kind == KIND_HEADED ? counted_layout(counted) : NULL;
    struct range whole = {object.start, object.start + object.bytes};
    if (layout != NULL)
        counted_each_word(counted, layout, whole, mark_word, follow);
    else
        for (uintptr_t at = whole.lo; at + sizeof(uintptr_t) <= whole.hi; at += sizeof(uintptr_t))
            gci_follow_mark(follow, *(const uintptr_t *)at); // NOLINT(performance-no-int-to-ptr)
}

/* ---- Records ------------------------------------------------------------------------------------------------------ */

static void mark_value(struct follow *follow, uintptr_t ephemeron)
{
    gci_follow_mark(follow, ~((const struct ephemeron *)ephemeron)->hidden_value); // NOLINT(performance-no-int-to-ptr)
}

static void follow_record(struct follow *follow, struct special *special)
{
    special->is_scanned = true;
    switch ((enum special_kind)special->kind) {
    case SPECIAL_FINALIZER:
    case SPECIAL_FINALIZER_UNORDERED:
        gci_follow_mark(follow, special->second);
        break;
    case SPECIAL_KEY:
        special->is_scanned = gci_follow_is_marked(follow, special->first);
        if (special->is_scanned)
            mark_value(follow, special->first);
        break;
    default:
        break;
    }
}

static bool follow_if_alive(struct special *special, void *data)
{
    struct follow *follow = data;
    if (special->kind == SPECIAL_IMMORTAL)
        gci_follow_mark(follow, special->object);
    if (!special->is_scanned && gci_follow_is_marked(follow, special->object))
        follow_record(follow, special);
    return true;
}

static void drain(struct follow *follow)
{
    struct heap *heap = follow->marking->heap;
    gci_mark_end(follow->marking);
    gci_mark_begin(follow->marking, heap, follow->simd, follow->pages);
}

/* ---- Object by object --------------------------------------------------------------------------------------------- */

/* Of an object that has just been marked. Its key may have come before the ephemeron, and then it is not looked at again. */
static void follow_own(struct special *special, void *data)
{
    struct follow *follow = data;
    if (special->kind != SPECIAL_EPHEMERON)
        follow_if_alive(special, follow);
    else if (gci_follow_is_marked(follow, special->first))
        mark_value(follow, special->object);
}

static void look_at_object(struct follow *follow, struct object object)
{
    if (object.kind != KIND_ATOMIC)
        gci_follow_words(follow, object);
    if (block_at(follow->marking->heap, object.unit)->has_special)
        gci_special_each_of(object.start, follow_own, follow);
}

static void look_at_word(struct follow *follow, uint32_t unit, unsigned index)
{
    struct heap *heap = follow->marking->heap;
    size_t bytes = heap->meta.hot[unit].use == UNIT_LARGE ? 0 : block_class(heap, unit)->bytes;
    uint64_t due = heap->meta.mark[unit][index] & ~heap->meta.scan[unit][index];
    heap->meta.scan[unit][index] |= due;
    for (; due != 0; due &= due - 1) {
        uintptr_t start = unit_address(heap, unit) + ((uintptr_t)index * BITS_PER_WORD + lowest_bit(due)) * bytes;
        look_at_object(follow, gci_resolve(heap, start));
    }
}

static void look_at_unit(struct follow *follow, uint32_t unit)
{
    struct heap *heap = follow->marking->heap;
    unsigned words = heap->meta.hot[unit].use == UNIT_LARGE ? 1 : block_class(heap, unit)->words;
    u32_store(&heap->meta.queued[unit], 0);
    for (unsigned i = 0; i < words; i++)
        look_at_word(follow, unit, i);
}

static void look_at_all(struct follow *follow)
{
    while (follow->marking->queue.count != 0)
        look_at_unit(follow, queue_pop(&follow->marking->queue));
}

/* Nothing is queued before. */
static void settle_by_object(struct follow *follow)
{
    follow->is_by_object = true;
    gci_special_each(follow_if_alive, follow);
    look_at_all(follow);
    follow->is_by_object = false;
}

void gci_follow_from(struct marking *marking, struct object object)
{
    struct follow follow = {.marking = marking, .is_by_object = true};
    gci_follow_mark(&follow, object.start);
    look_at_all(&follow);
}

/* Each costs a look at every record, and the marker takes a fraction of the time for an object that is taken here. */
#define ROUNDS_MAX 8

void gci_follow_settle(struct follow *follow)
{
    drain(follow);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        follow->has_marked = false;
        gci_special_each(follow_if_alive, follow);
        if (!follow->has_marked)
            return;
        drain(follow);
    }
    settle_by_object(follow);
}
