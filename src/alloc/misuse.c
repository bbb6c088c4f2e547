/* SPDX-License-Identifier: MIT */
/* Implementation of alloc/misuse.h. */
#include "alloc/misuse.h"

#include "heap/special/counted.h"
#include "platform/env.h"
#include "platform/image.h"

static void add_freed(struct text *text, const char *function)
{
    bool is_free = gci_text_equals(function, "free") || gci_text_equals(function, "cfree") ||
                   gci_text_equals(function, "gca_free") || gci_text_starts_with(function, "free_") ||
                   gci_text_equals(function, "operator delete");
    gci_text_add(text, is_free ? "double free" : "already freed");
}

static void add_past(struct text *text, enum unit_past past, const char *function)
{
    switch (past) {
    case PAST_FREED:
        add_freed(text, function);
        break;
    case PAST_RECLAIMED:
        gci_text_add(text, "already reclaimed by the collector");
        break;
    default:
        gci_text_add(text, "not allocated");
        break;
    }
}

static bool was_reclaimed(struct object object)
{
    const uint64_t *bits = gci_heap.meta.scan[object.unit];
    return block_at(&gci_heap, object.unit)->has_reclaimed &&
           (bits[object.slot / BITS_PER_WORD] >> (object.slot % BITS_PER_WORD) & 1) != 0;
}

static bool was_never_used(struct object object)
{
    return object.slot / BITS_PER_WORD < block_at(&gci_heap, object.unit)->unused_words;
}

static const struct counted *header_of(struct object object)
{
    return (const struct counted *)object.start; // NOLINT(performance-no-int-to-ptr)
}

static void add_cause(struct text *text, uintptr_t address, const char *function)
{
    if (!heap_contains(&gci_heap, address)) {
        gci_text_add(text, "not from gcalloc");
        return;
    }
    struct hot hot = gci_heap.meta.hot[(address - gci_heap.base) >> BLOCK_SHIFT];
    struct object object = gci_resolve(&gci_heap, address);
    if (object.kind == KIND_HEADED && address == object.start + COUNTED_HEADER_BYTES) {
        if (object_is_allocated(&gci_heap, object) && counted_state(header_of(object)) != COUNTED_FREED) {
            gci_text_add(text, "a counted object, which its last gca_release frees");
            return;
        }
        object.start = address;
    }
    if (hot.use == UNIT_FREE) {
        add_past(text, hot_past(hot), function);
    } else if (object.unit == 0) {
        gci_text_add(text, "not allocated");
    } else if (object.is_large && object.start == address) {
        add_freed(text, function); /* by another thread, right now */
    } else if (object_is_allocated(&gci_heap, object)) {
        gci_text_add(text, "inside the block at ");
        gci_text_add_address(text, object.start);
        gci_text_add(text, ", not its start");
    } else if (object.start != address) {
        gci_text_add(text, "not allocated");
    } else if (was_never_used(object)) {
        add_past(text, (enum unit_past)block_at(&gci_heap, object.unit)->past, function);
    } else {
        add_past(text, was_reclaimed(object) ? PAST_RECLAIMED : PAST_FREED, function);
    }
}

void gci_misuse_begin(struct text *text, const void *block, const char *function)
{
    gci_text_init(text);
    gci_text_add(text, function);
    gci_text_add(text, "(");
    gci_text_add_address(text, (uintptr_t)block);
    gci_text_add(text, "): ");
}

void gci_misuse_explain(const void *block, const char *function)
{
    struct text text;
    gci_misuse_begin(&text, block, function);
    add_cause(&text, (uintptr_t)block, function);
    gci_env_die(&text);
}

struct loader_search {
    uintptr_t address;
    uintptr_t loader_end; /* of the last mapping that was the loader's or continues it */
    bool is_found;
};

/* The loader's allocator takes the rest of its last data page, then pages that it maps: those lie right behind it. */
static void look_for_loader(const struct mapping *mapping, void *data)
{
    struct loader_search *search = data;
    bool is_loaders = mapping->is_loader || (search->loader_end != 0 && mapping->range.lo == search->loader_end);
    search->loader_end = is_loaders ? mapping->range.hi : 0;
    if (is_loaders && range_contains(mapping->range, search->address))
        search->is_found = true;
}

bool gci_misuse_is_tolerated(const void *block)
{
    struct loader_search search = {.address = (uintptr_t)block};
    gci_image_each(look_for_loader, &search);
    return search.is_found;
}
