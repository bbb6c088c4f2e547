/* SPDX-License-Identifier: MIT */
/* Slow paths of free: everything but a thread's own small block. */
#include "alloc/alloc.h"
#include "alloc/misuse.h"
#include "alloc/refill.h"
#include "heap/resolve.h"
#include "world/critical.h"
#include "world/thread.h"

static uint64_t slot_bit(struct object object)
{
    return UINT64_C(1) << (object.slot % BITS_PER_WORD);
}

static void look(struct heap *heap, uint32_t unit)
{
    critical_enter();
    if (block_owner(block_at(heap, unit)) == gci_cache_self_id) /* else a collection has just found the block empty */
        gci_refill_look(heap, gci_cache_self, unit);
    critical_leave();
}

/* The last free that the block has waited for. In a signal handler that came in the middle of a slow path the look is left
 * to the next free. */
static void free_last(struct heap *heap, uint32_t unit, uint32_t slot)
{
    struct block *block = block_at(heap, unit);
    bool may_look = !critical_is_inside();
    critical_enter_brief();
    gci_cpu_or(&block->free[slot / BITS_PER_WORD], UINT64_C(1) << (slot % BITS_PER_WORD));
    if (!may_look)
        block->countdown = 1;
    bool is_done = !may_look || gci_refill_remember(heap, gci_cache_self, unit, slot);
    critical_leave_brief();
    if (!is_done)
        look(heap, unit);
}

/* The block has remote frees, so that a second free may hide among them; the caller has looked. */
static void free_own(struct heap *heap, struct object object)
{
    struct block *block = block_at(heap, object.unit);
    if (--block->countdown == 0)
        free_last(heap, object.unit, object.slot);
    else
        gci_cpu_or(&block->free[object.slot / BITS_PER_WORD], slot_bit(object));
}

/* Only the fast path brings the countdown of a block of ours to 0 and leaves it there, after every other test. */
static bool has_counted_down(const struct heap *heap, uintptr_t address)
{
    if (!heap_contains(heap, address))
        return false;
    const struct block *block = block_at(heap, (uint32_t)((address - heap->base) >> BLOCK_SHIFT));
    return u32_load(&block->custody) == gci_cache_self_id && block->countdown == 0;
}

static void free_counted_down(struct heap *heap, uintptr_t address)
{
    uint32_t unit = (uint32_t)((address - heap->base) >> BLOCK_SHIFT);
    uint32_t offset = (uint32_t)(address & (BLOCK_BYTES - 1));
    free_last(heap, unit, slot_of_offset(offset, heap->meta.hot[unit].reciprocal));
}

static void free_remote(struct heap *heap, struct object object, const char *function)
{
    struct block *block = block_at(heap, object.unit);
    uint64_t before = word_fetch_or(&heap->meta.remote[object.unit][object.slot / BITS_PER_WORD], slot_bit(object));
    if (UNLIKELY(before & slot_bit(object)))
        gci_misuse_explain((const void *)object.start, function); // NOLINT(performance-no-int-to-ptr)
    uint32_t count = block_count_remote(block);
    if (LIKELY(!block_is_due(block, count)) || critical_is_inside())
        return;
    critical_enter();
    gci_refill_wake(heap, object.unit);
    critical_leave();
}

static void free_large(struct heap *heap, struct object object)
{
    critical_enter();
    gci_large_destroy(heap, object.unit, PAST_FREED);
    critical_leave();
}

static struct object resolve_start(const void *block, const char *function)
{
    struct object object = gci_resolve(&gci_heap, (uintptr_t)block);
    if (UNLIKELY(!object_is_allocated(&gci_heap, object) || object.start != (uintptr_t)block))
        gci_misuse_explain(block, function);
    return object;
}

void gci_free_slow(void *block, const char *function)
{
    if (LIKELY(has_counted_down(&gci_heap, (uintptr_t)block))) {
        free_counted_down(&gci_heap, (uintptr_t)block);
        KEEP_ALIVE(block);
        return;
    }
    if (block == NULL || (!heap_contains(&gci_heap, (uintptr_t)block) && gci_misuse_is_tolerated(block)))
        return;
    if (gci_cache_self == &gci_cache_empty && !gci_thread_is_detached())
        gci_alloc_attach_thread(); /* from here on it must be stopped like others */
    struct object object = resolve_start(block, function);
    if (object.is_large)
        free_large(&gci_heap, object);
    else if (block_owner(block_at(&gci_heap, object.unit)) == gci_cache_self_id)
        free_own(&gci_heap, object);
    else
        free_remote(&gci_heap, object, function);
    KEEP_ALIVE(block);
}

/* The short way to the size of a slot that starts at `block` and is in the program's hands; 0 where more is to be looked at:
 * a large block, one with remote frees, or a wrong address. */
static size_t slot_bytes_of(const struct heap *heap, const void *block)
{
    uintptr_t offset = (uintptr_t)block - heap->base;
    if (offset >= word_load(&heap->limit_bytes))
        return 0;
    uint32_t unit = (uint32_t)(offset >> BLOCK_SHIFT);
    struct hot hot = heap->meta.hot[unit];
    const struct block *descriptor = block_at(heap, unit);
    uint32_t offset_in_block = offset & (BLOCK_BYTES - 1);
    uint64_t product = (uint64_t)offset_in_block * hot.reciprocal;
    if (hot.use != UNIT_SMALL || (uint32_t)product >= hot.reciprocal || offset_in_block >= descriptor->slots_bytes ||
        (u32_load(&descriptor->custody) & HAS_REMOTE) || (descriptor->free[product >> 38] >> (product >> 32 & 63) & 1))
        return 0;
    return (size_t)hot.granules * GRANULE_BYTES;
}

size_t gci_usable_bytes(const void *block, const char *function)
{
    size_t bytes = slot_bytes_of(&gci_heap, block);
    return bytes != 0 ? bytes : resolve_start(block, function).bytes;
}

/* ---- Realloc ------------------------------------------------------------------------------------------------------ */

/* What is not asked for is kept zero, so that growing into it again finds it so. */
static void zero_tail(uintptr_t start, size_t from, size_t to)
{
    if (from < to)
        __builtin_memset((char *)start + from, 0, to - from); // NOLINT(performance-no-int-to-ptr)
}

/* Within the slot unless more than half of it would be idle. */
static bool resize_in_slot(uintptr_t start, size_t slot_bytes, size_t bytes, bool zero_added)
{
    bool stays = bytes <= slot_bytes && (bytes > slot_bytes / 2 || slot_bytes <= 2 * (size_t)GRANULE_BYTES);
    if (stays && zero_added)
        zero_tail(start, bytes, slot_bytes);
    return stays;
}

/* In place: a large object as far as its neighbours allow. */
static bool resize_in_place(struct object object, size_t bytes, bool zero_added)
{
    if (!object.is_large)
        return resize_in_slot(object.start, object.bytes, bytes, zero_added);
    if (bytes <= SMALL_BYTES_MAX || bytes > PTRDIFF_MAX - BLOCK_BYTES)
        return false;
    size_t clean_from;
    size_t usable = align_up(bytes, LARGE_GRAIN_BYTES);
    critical_enter();
    bool done = gci_large_resize(&gci_heap, object.unit, usable, &clean_from);
    critical_leave();
    if (done && zero_added)
        zero_tail(object.start, bytes < object.bytes ? bytes : object.bytes, clean_from);
    return done;
}

/* A small block that has to move in order to grow gets room for a quarter more than it had: what is appended to again and
 * again is copied once for each quarter, not once for each step. */
static size_t with_room(struct object object, size_t bytes)
{
    size_t room = object.bytes + object.bytes / 4;
    return bytes > object.bytes && bytes < room && room <= SMALL_BYTES_MAX ? room : bytes;
}

/* All that resizing in the slot is not enough for, and every wrong address. */
static void *resize_or_move(void *block, size_t bytes, bool zero_added, const char *function)
{
    if (!heap_contains(&gci_heap, (uintptr_t)block) && gci_misuse_is_tolerated(block))
        return NULL; /* its size is not known */
    struct object object = resolve_start(block, function);
    if (resize_in_place(object, bytes, zero_added))
        return block;
    size_t wanted = with_room(object, bytes);
    void *moved = zero_added ? gci_alloc_zeroed(wanted, object.kind) : alloc_fast(wanted, object.kind);
    if (moved == NULL && bytes <= object.bytes) { /* shrinking never fails */
        if (zero_added)
            zero_tail(object.start, bytes, object.bytes);
        return block;
    }
    if (moved == NULL)
        return NULL;
    __builtin_memcpy(moved, block, object.bytes < bytes ? object.bytes : bytes);
    free_fast(block, function);
    return moved;
}

void *gci_realloc(void *block, size_t bytes, bool zero_added, const char *function)
{
    size_t slot_bytes = slot_bytes_of(&gci_heap, block);
    if (slot_bytes != 0 && resize_in_slot((uintptr_t)block, slot_bytes, bytes, zero_added))
        return block;
    return resize_or_move(block, bytes, zero_added, function);
}
