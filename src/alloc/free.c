/* SPDX-License-Identifier: MIT */
/* Blocks that the program has: slow paths of free, which are everything but a thread's own small block, their sizes, and realloc.
 * All three find a block in the same two ways, the short one to a slot and the one by heap/resolve.h that explains misuse. */
#include "alloc/alloc.h"
#include "alloc/misuse.h"
#include "alloc/refill.h"
#include "heap/large.h"
#include "heap/resolve.h"
#include "heap/special/counted.h"
#include "heap/special/sample.h"
#include "heap/special/special.h"
#include "world/critical.h"
#include "world/thread.h"

struct slot {
    uint32_t unit;
    uint32_t index;
};

static uint64_t slot_bit(struct slot slot)
{
    return UINT64_C(1) << (slot.index % BITS_PER_WORD);
}

/* Of what may be the start of a slot. */
ALWAYS_INLINE bool is_in_use(const struct heap *heap, const struct block *descriptor, struct slot slot,
                             uint32_t offset_in_block)
{
    return heap->meta.hot[slot.unit].use == UNIT_SMALL && offset_in_block < descriptor->slots_bytes &&
           !(descriptor->free[slot.index / BITS_PER_WORD] & slot_bit(slot));
}

/* The short way to the slot that starts at `offset`, which is below limit_bytes, and that its owner has not freed. False where
 * there is more to be looked at: a large block, or a wrong address. */
ALWAYS_INLINE bool find_slot_at(const struct heap *heap, uintptr_t offset, struct slot *slot)
{
    slot->unit = (uint32_t)(offset >> BLOCK_SHIFT);
    struct hot hot = heap->meta.hot[slot->unit];
    uint32_t offset_in_block = offset & (BLOCK_BYTES - 1);
    uint64_t product = (uint64_t)offset_in_block * hot.reciprocal;
    slot->index = (uint32_t)(product >> 32);
    return (uint32_t)product < hot.reciprocal && is_in_use(heap, block_at(heap, slot->unit), *slot, offset_in_block);
}

ALWAYS_INLINE bool find_slot(const struct heap *heap, const void *block, struct slot *slot)
{
    uintptr_t offset = (uintptr_t)block - heap->base;
    return offset < word_load(&heap->limit_bytes) && find_slot_at(heap, offset, slot);
}

/* The calling thread's cache that owns the block, or NULL. */
static struct cache *own_cache_of(const struct block *block)
{
    uint32_t owner = block_owner(block);
    struct cache *cache = gci_cache_self.cache;
    if (LIKELY(owner == gci_cache_self.id))
        return cache;
    return cache->sampled != NULL && cache->sampled->id == owner ? cache->sampled : NULL;
}

static void look(struct heap *heap, struct cache *cache, uint32_t unit)
{
    critical_enter();
    if (own_cache_of(block_at(heap, unit)) == cache) /* else a collection has just found the block empty */
        gci_refill_look(heap, cache, unit);
    critical_leave();
}

/* The last free that the block has waited for. In a signal handler that came in the middle of a slow path the look is left
 * to the next free. */
static void free_last(struct heap *heap, struct cache *cache, struct slot slot)
{
    struct block *block = block_at(heap, slot.unit);
    bool may_look = !critical_is_inside();
    critical_enter_brief();
    gci_cpu_or(&block->free[slot.index / BITS_PER_WORD], slot_bit(slot));
    if (!may_look)
        block->countdown = 1;
    bool is_done = !may_look || refill_remember(heap, cache, slot.unit, slot.index);
    critical_leave_brief();
    if (!is_done)
        look(heap, cache, slot.unit);
}

/* The fast path has found it the last and counted it already, or has not counted it as the block has remote frees; the
 * caller has looked among those for a second free. */
static void free_own(struct heap *heap, struct cache *cache, struct slot slot)
{
    struct block *block = block_at(heap, slot.unit);
    if (block->countdown <= 1) {
        free_last(heap, cache, slot);
    } else {
        block->countdown--;
        gci_cpu_or(&block->free[slot.index / BITS_PER_WORD], slot_bit(slot));
    }
}

/* The same for the free that nearly all of blocks with few slots are, where nothing else is to be looked at. */
ALWAYS_INLINE bool free_into_full(struct heap *heap, struct cache *cache, struct slot slot)
{
    struct block *block = block_at(heap, slot.unit);
    if (block->state != BLOCK_FULL || block->countdown > 1 || critical_is_inside())
        return false;
    critical_enter_brief();
    gci_cpu_or(&block->free[0], slot_bit(slot));
    bool is_done = refill_remember(heap, cache, slot.unit, slot.index);
    critical_leave_brief();
    if (UNLIKELY(!is_done))
        look(heap, cache, slot.unit);
    return true;
}

static void wake(struct heap *heap, uint32_t unit)
{
    if (critical_is_inside())
        return;
    critical_enter();
    gci_refill_wake(heap, unit);
    critical_leave();
}

/* Two frees of one slot at the same time, the owner's (O) and another thread's (R), neither of which finds that the other has
 * been: O sets the bit in `free`, R that in `remote`. Were the slot handed out again from there, and R's bit taken over later,
 * two objects would be one. So nobody gets the slot before its owner has compared the two words, once both frees are over. (One
 * that is not over may as well be of the next object in the slot: nobody can tell.)
 *
 * A slot of `free` is handed out from an open window, or as a recent one (alloc/refill.h), where the bits are compared.
 *   - O's window opens on the word after O's free: it compares after it is open (alloc/refill.c: look_for_races). Either it sees
 *     HAS_REMOTE and R's bit, or R, which looks at custody and at the free bit after it has set its own, sees the window, and
 *     shuts it.
 *   - The window is open on the word all the time, and O found HAS_REMOTE, so that it took the slow way: it sets its bit and then
 *     looks at R's, R the other way round, each with a barrier between. One sees the other's: O says so, R shuts the window.
 *   - The window is open, and O took a short way: HAS_REMOTE was not set when it looked. Whoever sets it shuts the window, and
 *     says by IS_SHUT that it is done; before, each R shuts the window itself. Neither is cleared while O is in its free. So when
 *     R's free is over the window is shut. It opens again in a request of O, thus after O's free, by way of a comparison. (A
 *     request in a signal handler in the middle of O's free is the exception: no comparison is due after it.)
 * R does not end the process for a free bit, as O may have taken R's bit over just now.
 * A window that is shut too often costs O a look, no more. */
READS_OTHERS_BITS static bool is_noted(const struct block *block, struct slot slot)
{
    return (u32_load(&block->custody) & IS_NOTED) == IS_NOTED &&
           !(block->free[slot.index / BITS_PER_WORD] & slot_bit(slot));
}

/* Of a slot of `cache` that it has just freed: whether another thread has done so as well, and the window is open on it. The
 * block may have gone since; its descriptor has not. */
READS_OTHERS_BITS static bool is_in_race(const struct cache *cache, const struct block *block, struct slot slot)
{
    unsigned index = slot.index / BITS_PER_WORD;
    if (LIKELY(block->window_word != index) || own_cache_of(block) != cache)
        return false;
    fence_full();
    return block->free[index] & word_load(&block->remote[index]) & slot_bit(slot);
}

static void free_own_among_remote(struct heap *heap, struct cache *cache, struct slot slot, const void *start,
                                  const char *function)
{
    free_own(heap, cache, slot);
    if (UNLIKELY(is_in_race(cache, block_at(heap, slot.unit), slot)))
        gci_misuse_explain(start, function);
}

static void free_remote(struct heap *heap, struct slot slot, const void *start, const char *function)
{
    struct block *block = block_at(heap, slot.unit);
    if (UNLIKELY(!block_set_remote(block, slot.index / BITS_PER_WORD, slot_bit(slot))))
        gci_misuse_explain(start, function);
    uint32_t count =
        LIKELY(is_noted(block, slot)) ? block_count_remote(block) : gci_cache_count_remote(heap, slot.unit);
    if (UNLIKELY(block_is_due(block, count)))
        wake(heap, slot.unit);
}

READS_OTHERS_BITS static bool is_freed_by_others(const struct heap *heap, struct slot slot)
{
    return word_load(&block_at(heap, slot.unit)->remote[slot.index / BITS_PER_WORD]) & slot_bit(slot);
}

/* Before the slot can be used again. */
static NOINLINE void forget_special(const struct heap *heap, const void *block)
{
    critical_enter();
    gci_special_drop(heap, gci_resolve(heap, (uintptr_t)block).start);
    critical_leave();
}

/* The same. */
static void forget_sample(struct heap *heap, struct slot slot, bool alone)
{
    critical_enter_brief();
    gci_sample_take(heap, slot.unit, slot.index, SAMPLE_FREED, alone);
    critical_leave_brief();
}

/* Nearly all slow frees: a small block of another thread, of this one among remote frees, or the last that a look at the
 * block waits for. False: there is more to be looked at, and nothing was done. */
READS_OTHERS_BITS static bool free_short(struct heap *heap, const void *block, const char *function)
{
    struct slot slot;
    if (!find_slot(heap, block, &slot) || gci_cache_self.cache == &gci_cache_empty)
        return false;
    uint32_t custody = u32_load(&block_at(heap, slot.unit)->custody);
    if (custody == gci_cache_self.id && hot_class(heap->meta.hot[slot.unit]) >= CLASS_FEW_SLOTS &&
        free_into_full(heap, gci_cache_self.cache, slot))
        return true;
    struct cache *cache = own_cache_of(block_at(heap, slot.unit));
    if (cache != NULL && is_freed_by_others(heap, slot))
        return false;
    if (UNLIKELY(custody & HAS_SPECIAL))
        forget_special(heap, block);
    if (UNLIKELY(custody & HAS_SAMPLES))
        forget_sample(heap, slot, cache != NULL);
    if (cache == NULL)
        free_remote(heap, slot, block, function);
    else if (custody & HAS_REMOTE)
        free_own_among_remote(heap, cache, slot, block, function);
    else
        free_own(heap, cache, slot);
    return true;
}

/* Of two threads that free it at once, one has it. */
static void free_run(struct heap *heap, uint32_t unit, const void *start, const char *function)
{
    struct cache *cache = gci_cache_self.cache;
    if (UNLIKELY(!u32_compare_and_swap(&block_at(heap, unit)->custody, OWNER_NONE, OWNER_NOBODY)))
        gci_misuse_explain(start, function);
    bool may_keep = cache != &gci_cache_empty && !critical_is_inside() && hot_kind(heap->meta.hot[unit]) != KIND_HEADED;
    critical_enter();
    if (may_keep && heap->frozen_units == 0) /* in here no collection freezes it */
        gci_large_shelve(heap, cache, unit);
    else
        gci_large_destroy(heap, unit, PAST_FREED);
    critical_leave();
}

static struct counted *header_of(struct object object)
{
    return (struct counted *)object.start; // NOLINT(performance-no-int-to-ptr)
}

/* As the program knows it: a typed block begins behind its header. */
static struct object resolve_start(const void *block, const char *function)
{
    struct object object = gci_resolve(&gci_heap, (uintptr_t)block);
    bool is_allocated = object_is_allocated(&gci_heap, object);
    if (is_allocated && object.kind == KIND_HEADED && counted_state(header_of(object)) == COUNTED_TYPED) {
        object.start += COUNTED_HEADER_BYTES;
        object.bytes -= COUNTED_HEADER_BYTES;
    }
    if (UNLIKELY(!is_allocated || object.start != (uintptr_t)block))
        gci_misuse_explain(block, function);
    return object;
}

/* Of a large object that is just that. */
static bool free_large_short(struct heap *heap, const void *block, const char *function)
{
    uintptr_t offset = (uintptr_t)block - heap->base;
    uint32_t unit = (uint32_t)(offset >> BLOCK_SHIFT);
    const struct block *descriptor = block_at(heap, unit);
    if (offset >= word_load(&heap->limit_bytes) || offset % BLOCK_BYTES != 0 ||
        heap->meta.hot[unit].use != UNIT_LARGE || descriptor->has_special || descriptor->is_sampled ||
        hot_kind(heap->meta.hot[unit]) == KIND_HEADED || gci_cache_self.cache == &gci_cache_empty)
        return false;
    free_run(heap, unit, block, function);
    return true;
}

static void free_by_any_way(void *block, const char *function)
{
    if (gci_cache_self.cache == &gci_cache_empty && !gci_thread_is_detached())
        gci_alloc_attach_thread(); /* from here on it must be stopped like others */
    struct object object = resolve_start(block, function);
    struct slot slot = {object.unit, object.slot};
    struct cache *cache = own_cache_of(block_at(&gci_heap, object.unit));
    if (UNLIKELY(block_at(&gci_heap, object.unit)->has_special))
        forget_special(&gci_heap, block);
    if (UNLIKELY(block_at(&gci_heap, object.unit)->is_sampled))
        forget_sample(&gci_heap, slot, false);
    if (object.kind == KIND_HEADED)
        counted_set_freed(header_of(gci_resolve(&gci_heap, (uintptr_t)block)));
    if (object.is_large)
        free_run(&gci_heap, object.unit, block, function);
    else if (cache != NULL && !is_freed_by_others(&gci_heap, slot))
        free_own_among_remote(&gci_heap, cache, slot, block, function);
    else
        free_remote(&gci_heap, slot, block, function);
}

void (*gci_free_elsewhere)(void *block);

/* A block that is none of ours, where that is no mistake. The program's free may pass on to us what it does not know. */
static bool leave_to_others(void *block)
{
    static __thread const void *left TLS_INITIAL_EXEC;
    if (heap_contains(&gci_heap, (uintptr_t)block))
        return false;
    if (gci_free_elsewhere == NULL || left == block)
        return gci_misuse_is_tolerated(block);
    left = block;
    gci_free_elsewhere(block);
    left = NULL;
    return true;
}

READS_OTHERS_BITS void gci_free_slow(void *block, const char *function)
{
    if (block == NULL || leave_to_others(block))
        return;
    if (UNLIKELY(!free_short(&gci_heap, block, function)) && !free_large_short(&gci_heap, block, function))
        free_by_any_way(block, function);
    KEEP_ALIVE(block);
}

/* Most of what is not the thread's cache's, as far as it knows: another's slot, or one of its own beside remote frees. Else it
 * goes the long way. */
READS_OTHERS_BITS static NOINLINE void free_unrecorded(void *block, const char *function, struct block *descriptor,
                                                       uint64_t product)
{
    struct heap *heap = &gci_heap;
    uintptr_t offset = (uintptr_t)block - heap->base;
    struct slot slot = {(uint32_t)(offset >> BLOCK_SHIFT), (uint32_t)(product >> 32)};
    uint32_t custody = u32_load(&descriptor->custody);
    bool is_plain = is_in_use(heap, descriptor, slot, offset & (BLOCK_BYTES - 1)) &&
                    !(custody & (HAS_SPECIAL | HAS_SAMPLES)) && gci_cache_self.id != OWNER_NOBODY;
    bool is_own = (custody & OWNER_MASK) == gci_cache_self.id;
    if (UNLIKELY(!is_plain) || (is_own && (UNLIKELY(descriptor->countdown <= 1) || is_freed_by_others(heap, slot))))
        gci_free_slow(block, function);
    else if (is_own) {
        descriptor->countdown--;
        gci_cpu_or(&descriptor->free[slot.index / BITS_PER_WORD], slot_bit(slot));
        if (UNLIKELY(is_in_race(gci_cache_self.cache, descriptor, slot)))
            gci_misuse_explain(block, function);
    } else {
        free_remote(heap, slot, block, function);
    }
    KEEP_ALIVE(block);
}

/* Where a profiler chooses everything, most frees are of an object in a block of the cache's that nobody else has looked at. That
 * it has a record says that it is one, and not free. The profiler is told last of all, by a call that nothing comes after: no
 * register is saved for it, and it keeps the block alive till then. */
void gci_free_not_own(void *block, const char *function, struct block *descriptor, uint64_t product)
{
    const struct heap *heap = &gci_heap;
    const struct cache *sampled = gci_cache_self.cache->sampled;
    const struct sample_hooks *hooks = gci_sample_hooks;
    if (LIKELY(sampled == NULL) || UNLIKELY(hooks == NULL) ||
        u32_load(&descriptor->custody) != (sampled->id | HAS_SAMPLES) || UNLIKELY(descriptor->countdown <= 1))
        goto anyhow;
    struct sample *record = sample_in_block(heap, (uintptr_t)block - heap->base, product >> 32);
    uint64_t origin = word_load(&record->origin);
    if (UNLIKELY(origin == 0))
        goto anyhow;
    size_t bytes = record->bytes;
    float weight = record->weight;
    word_store(&record->origin, 0);
    /* Behind the free bit a collection may give the block, and its records, to others. */
    __asm__ volatile("" : : : "memory");
    descriptor->countdown--;
    gci_cpu_or(&descriptor->free[product >> 38], UINT64_C(1) << (product >> 32 & 63));
    hooks->freed(origin, bytes, (uintptr_t)block, weight);
    return;
anyhow:
    free_unrecorded(block, function, descriptor, product);
}

/* Of a slot that is in the program's hands; 0 where more is to be looked at: an object with a record, too. */
static size_t slot_bytes_of(const struct heap *heap, const void *block)
{
    struct slot slot;
    if (!find_slot(heap, block, &slot) || (u32_load(&block_at(heap, slot.unit)->custody) & (HAS_REMOTE | HAS_SAMPLES)))
        return 0;
    return (size_t)heap->meta.hot[slot.unit].granules * GRANULE_BYTES;
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
        return alloc_with_end(bytes) <= object.bytes && resize_in_slot(object.start, object.bytes, bytes, zero_added);
    if (bytes <= SMALL_BYTES_MAX || bytes > PTRDIFF_MAX - BLOCK_BYTES)
        return false;
    size_t clean_from;
    bool is_stale;
    size_t usable = align_up(alloc_with_end(bytes), LARGE_GRAIN_BYTES);
    critical_enter();
    bool done = gci_large_resize(&gci_heap, object.unit, usable, &clean_from, &is_stale);
    critical_leave();
    if (done && (zero_added || is_stale))
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

/* To the profiler a block that is resized is one that is freed and another that is allocated. */
static void note_resized(struct object object, size_t bytes, bool is_chosen)
{
    struct block *descriptor = block_at(&gci_heap, object.unit);
    const struct sample_hooks *hooks = gci_sample_hooks;
    struct sample sample;
    if (descriptor->is_sampled)
        forget_sample(&gci_heap, (struct slot){object.unit, object.slot}, false);
    if (!is_chosen || hooks == NULL || critical_is_inside() || !hooks->choose(bytes, &sample))
        return;
    critical_enter();
    if (gci_sample_prepare(&gci_heap, object.unit)) {
        descriptor->is_sampled = true;
        gci_sample_put(&gci_heap, object.unit, object.slot, &sample, bytes);
    }
    critical_leave();
}

/* Whether it may be resized where it is: a small object that is chosen has to lie among others that are. */
static bool may_stay(struct object object, bool is_chosen)
{
    return object.kind != KIND_HEADED &&
           (!is_chosen || object.is_large || block_at(&gci_heap, object.unit)->is_sampled);
}

/* All that resizing in the slot is not enough for, and every wrong address. */
static void *resize_or_move(void *block, size_t bytes, bool zero_added, bool is_chosen, const char *function)
{
    if (!heap_contains(&gci_heap, (uintptr_t)block) && gci_misuse_is_tolerated(block))
        return NULL; /* its size is not known */
    struct object object = resolve_start(block, function);
    if (may_stay(object, is_chosen) && resize_in_place(object, bytes, zero_added)) {
        if (UNLIKELY(is_chosen || block_at(&gci_heap, object.unit)->is_sampled))
            note_resized(object, bytes, is_chosen);
        return block;
    }
    bool is_typed = object.kind == KIND_HEADED; /* the layout says nothing of another size */
    struct counted_request request = {.bytes = bytes,
                                      .wanted_bytes = with_room(object, bytes),
                                      .kind = is_typed ? KIND_SCANNED : object.kind,
                                      .is_zeroed = zero_added || is_typed,
                                      .is_chosen = is_chosen};
    void *moved = gci_alloc_counted(&request);
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

ALWAYS_INLINE void *resize(void *block, size_t bytes, bool zero_added, bool is_chosen, const char *function)
{
    size_t slot_bytes = slot_bytes_of(&gci_heap, block);
    if (slot_bytes != 0 && !is_chosen && resize_in_slot((uintptr_t)block, slot_bytes, bytes, zero_added))
        return block;
    return resize_or_move(block, bytes, zero_added, is_chosen, function);
}

static NOINLINE void *resize_settled(void *block, size_t bytes, bool zero_added, const char *function)
{
    return resize(block, bytes, zero_added, gci_budget_settle(bytes), function);
}

/* The call that settles the budget stands apart: nothing has to be saved for it where a block stays in its slot. */
void *gci_realloc(void *block, size_t bytes, bool zero_added, const char *function)
{
    if (UNLIKELY(budget_spend(bytes)))
        return resize_settled(block, bytes, zero_added, function);
    return resize(block, bytes, zero_added, false, function);
}
