/* SPDX-License-Identifier: MIT */
/* Implementation of collect/leaks.h. The sets are bitmaps of the marker's form, one bit for each slot. */
#include "collect/leaks.h"

#include <errno.h>

#include "base/bits.h"
#include "collect/bound.h"
#include "collect/follow.h"
#include "heap/cache.h"
#include "mark/mark.h"
#include "platform/image.h"
#include "platform/vm.h"
#include "world/stop.h"
#include "world/thread.h"

typedef uint64_t unit_bits[BITMAP_WORDS];

struct search {
    const struct cycle_scene *scene;
    struct heap *heap;
    unit_bits *reachable;  /* the marks as they were, what is not allocated among them */
    unit_bits *candidates; /* subset of what is not in `reachable`; at the end the direct ones */
    size_t bytes;          /* of the two, one behind the other */
    bool follows_records;  /* some record of an object (heap/special/special.h) may lead on */
};

/* What gci_leaks_find is asked. */
struct request {
    leak_fn visit;
    void *data;
    int failure;
};

/* ---- Units -------------------------------------------------------------------------------------------------------- */

static unsigned words_of(const struct heap *heap, uint32_t unit)
{
    switch ((enum unit_use)heap->meta.hot[unit].use) {
    case UNIT_SMALL:
        return block_class(heap, unit)->words;
    case UNIT_LARGE:
        return 1;
    default:
        return 0;
    }
}

static struct object object_of(const struct heap *heap, uint32_t unit, unsigned index, unsigned bit)
{
    uintptr_t slot = (uintptr_t)index * BITS_PER_WORD + bit;
    uintptr_t bytes = heap->meta.hot[unit].use == UNIT_SMALL ? block_class(heap, unit)->bytes : 0;
    return gci_resolve(heap, unit_address(heap, unit) + slot * bytes);
}

static bool map_sets(struct search *search)
{
    uint32_t units = search->heap->frontier == 0 ? 1 : search->heap->frontier; /* 0: nothing was ever asked for */
    search->bytes = 2 * sizeof(unit_bits) * units;
    search->reachable = gci_vm_map(search->bytes);
    if (search->reachable == NULL)
        return false;
    search->candidates = search->reachable + units;
    return true;
}

static void unmap_sets(const struct search *search)
{
    gci_vm_unmap(search->reachable, search->bytes);
}

static void keep_marks(const struct search *search)
{
    for (uint32_t unit = 1; unit < search->heap->frontier; unit++)
        __builtin_memcpy(search->reachable[unit], search->heap->meta.mark[unit],
                         words_of(search->heap, unit) * sizeof(uint64_t));
}

/* What is marked has been scanned. */
static void restore_marks(const struct search *search)
{
    for (uint32_t unit = 1; unit < search->heap->frontier; unit++) {
        size_t bytes = words_of(search->heap, unit) * sizeof(uint64_t);
        __builtin_memcpy(search->heap->meta.mark[unit], search->reachable[unit], bytes);
        __builtin_memcpy(search->heap->meta.scan[unit], search->reachable[unit], bytes);
    }
}

/* ---- Slots on their way ------------------------------------------------------------------------------------------- */

/* A thread takes a slot from its window in a few instructions of ours and is interrupted before it has the address. */
static void find_handing_out(const struct search *search)
{
    struct range code = gci_image_own_code();
    uint32_t generation = gci_world_generation();
    for (uint32_t id = 1; id <= u32_load_acquire(&search->heap->cache_count); id++)
        search->heap->caches[id]->hands_out = false;
    for (const struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next) {
        bool is_stopped = u32_load(&thread->stopped_in) == generation;
        uintptr_t at = thread == gci_thread_self ? search->scene->caller.code : is_stopped ? thread->code : 0;
        if (thread->cache != NULL)
            thread->cache->hands_out = range_contains(code, at);
        if (thread->cache != NULL && thread->cache->sampled != NULL)
            thread->cache->sampled->hands_out = thread->cache->hands_out;
    }
}

static void leave_windows_out(const struct search *search)
{
    struct heap *heap = search->heap;
    find_handing_out(search);
    for (uint32_t unit = 1; unit < heap->frontier; unit++) {
        const struct block *block = block_at(heap, unit);
        const struct cache *owner = gci_cache_by_id(heap, block_owner(block));
        if (heap->meta.hot[unit].use == UNIT_SMALL && block->window_word != NO_WINDOW && owner != NULL &&
            owner->hands_out)
            heap->meta.mark[unit][block->window_word] = heap->meta.scan[unit][block->window_word] = ~UINT64_C(0);
    }
}

/* ---- Flooding ----------------------------------------------------------------------------------------------------- */

static void begin_marking(const struct search *search)
{
    gci_mark_begin(search->scene->marking, search->heap, search->scene->simd, search->scene->pages);
}

static void flood(const struct search *search, struct object object)
{
    uintptr_t inside = object.start + 1;
    if (search->follows_records) {
        gci_follow_from(search->scene->marking, object);
        return;
    }
    gci_mark_root_words(search->scene->marking, &inside, 1);
    gci_mark_end(search->scene->marking);
    begin_marking(search);
}

static void find_candidates(struct search *search, uint32_t unit)
{
    for (unsigned i = 0; i < words_of(search->heap, unit); i++) {
        for (uint64_t left = ~search->heap->meta.mark[unit][i]; left != 0; left = ~search->heap->meta.mark[unit][i]) {
            search->candidates[unit][i] |= UINT64_C(1) << lowest_bit(left);
            flood(search, object_of(search->heap, unit, i, lowest_bit(left)));
        }
    }
}

static void drop_covered(struct search *search, uint32_t unit)
{
    for (unsigned i = words_of(search->heap, unit); i-- > 0;) {
        for (uint64_t left = search->candidates[unit][i]; left != 0;) {
            unsigned bit = highest_bit(left);
            left &= ~(UINT64_C(1) << bit);
            if (search->heap->meta.mark[unit][i] >> bit & 1)
                search->candidates[unit][i] &= ~(UINT64_C(1) << bit);
            else
                flood(search, object_of(search->heap, unit, i, bit));
        }
    }
}

/* Records that follow from what is reachable have been followed. */
static void begin_round(struct search *search)
{
    gci_bound_begin_again();
    search->follows_records = gci_bound_follow(search->scene->marking, search->scene->simd, search->scene->pages);
    begin_marking(search);
}

static void find_direct(struct search *search)
{
    begin_round(search);
    for (uint32_t unit = 1; unit < search->heap->frontier; unit++)
        find_candidates(search, unit);
    restore_marks(search);
    begin_round(search);
    for (uint32_t unit = search->heap->frontier; unit-- > 1;)
        drop_covered(search, unit);
    restore_marks(search);
}

/* ---- The answer --------------------------------------------------------------------------------------------------- */

static void tell(const struct search *search, const struct request *request, uint32_t unit)
{
    for (unsigned i = 0; i < words_of(search->heap, unit); i++) {
        for (uint64_t leaked = ~search->reachable[unit][i]; leaked != 0; leaked &= leaked - 1) {
            unsigned bit = lowest_bit(leaked);
            struct object object = object_of(search->heap, unit, i, bit);
            request->visit(&object, (search->candidates[unit][i] >> bit & 1) != 0, request->data);
        }
    }
}

static void look(const struct cycle_scene *scene, void *data)
{
    struct request *request = data;
    struct search search = {.scene = scene, .heap = &gci_heap};
    request->failure = map_sets(&search) ? 0 : ENOMEM;
    if (request->failure != 0)
        return;
    leave_windows_out(&search);
    keep_marks(&search);
    gci_bound_hide(search.heap);
    find_direct(&search);
    gci_bound_show();
    for (uint32_t unit = 1; unit < search.heap->frontier; unit++)
        tell(&search, request, unit);
    unmap_sets(&search);
}

int gci_leaks_find(const struct roots_caller *caller, leak_fn visit, void *data)
{
    struct request request = {visit, data, 0};
    const struct cycle_look at = {.look = look, .data = &request, .is_exact = true, .caller = caller};
    return gci_cycle_look(&at) ? request.failure : EAGAIN;
}
