/* SPDX-License-Identifier: MIT */
/* Life and death of caches. */
#include "heap/cache.h"

#include "base/assert.h"
#include "heap/large.h"
#include "heap/region.h"
#include "heap/release.h"
#include "platform/pages.h"
#include "platform/thread.h"

static uint64_t no_bits; /* always 0: the word behind every closed window */
#define CLOSED_WORD ((shared_word)&no_bits)

#define CLOSED_WINDOW                                                                                                  \
    {                                                                                                                  \
        CLOSED_WORD, NULL, 0, NULL                                                                                     \
    }
#define CLOSED_WINDOW_OF(bytes) CLOSED_WINDOW,
#define CLOSED_KIND                                                                                                    \
    {                                                                                                                  \
        SIZE_CLASSES(CLOSED_WINDOW_OF)                                                                                 \
    }

struct cache gci_cache_empty = {.id = OWNER_NOBODY, .windows = {CLOSED_KIND, CLOSED_KIND, CLOSED_KIND, CLOSED_KIND}};
STATIC_ASSERT(KIND_COUNT == 4, "one row of closed windows for each kind");

__thread struct cache_self gci_cache_self TLS_INITIAL_EXEC = {.cache = &gci_cache_empty, .id = OWNER_NOBODY};

struct cache *gci_cache_by_id(const struct heap *heap, uint32_t id)
{
    return id != OWNER_NONE && id <= u32_load_acquire(&heap->cache_count) ? heap->caches[id] : NULL;
}

void gci_cache_close_window(struct cache *cache, enum block_kind kind, unsigned class_index)
{
    struct window *window = &cache->windows[kind][class_index];
    word_store(&window->word, CLOSED_WORD);
    window->base = NULL;
    window->slot_bytes = 0;
    window->records = NULL;
}

static void shut_window(struct heap *heap, uint32_t unit)
{
    const struct block *block = block_at(heap, unit);
    struct hot hot = heap->meta.hot[unit];
    struct cache *owner = gci_cache_by_id(heap, block_owner(block));
    struct window *window = owner == NULL ? NULL : &owner->windows[hot_kind(hot)][hot_class(hot)];
    if (window != NULL && word_load(&window->word) - (uintptr_t)block->free < sizeof block->free)
        word_store(&window->word, CLOSED_WORD);
}

uint32_t gci_cache_count_remote(struct heap *heap, uint32_t unit)
{
    struct block *block = block_at(heap, unit);
    bool is_first = block_set_flag(block, HAS_REMOTE);
    shut_window(heap, unit);
    if (is_first)
        block_set_flag(block, IS_SHUT);
    return block_count_remote(block);
}

/* What the last thread has left; id and is_in_use stay: another thread that looks for a shell must not see this one free. */
static void forget(struct cache *cache)
{
    __builtin_memset(cache->owned, 0, sizeof cache->owned);
    __builtin_memset(cache->recent, 0, sizeof cache->recent);
    cache->shelf = (struct shelf){.count = 0};
    cache->kept_blocks = 0;
    cache->allocated = 0;
    cache->flags = 0;
    cache->sampled = NULL;
    u32_store(&cache->may_release, 0);
    u32_store(&cache->is_asked, 0);
}

static void begin(struct cache *cache)
{
    __builtin_memcpy(cache->windows, gci_cache_empty.windows, sizeof cache->windows);
    u32_store(&cache->errands, 1); /* to become owner */
}

static struct cache *take_shell(struct heap *heap)
{
    struct cache *found = NULL;
    gci_lock_acquire(&heap->region_lock);
    for (uint32_t id = 1; id <= u32_load_acquire(&heap->cache_count) && found == NULL; id++)
        if (!heap->caches[id]->is_in_use)
            found = heap->caches[id];
    if (found != NULL)
        found->is_in_use = true;
    gci_lock_release(&heap->region_lock);
    return found;
}

static struct cache *add_cache(struct heap *heap)
{
    struct cache *cache = gci_heap_take_meta(heap, sizeof *cache);
    if (cache == NULL)
        return NULL;
    gci_lock_acquire(&heap->region_lock);
    bool has_id = u32_load(&heap->cache_count) + 1 < CACHE_IDS;
    if (has_id) {
        cache->id = (uint16_t)(u32_load(&heap->cache_count) + 1);
        cache->is_in_use = true;
        heap->caches[cache->id] = cache;
        u32_store_release(&heap->cache_count, cache->id);
    }
    gci_lock_release(&heap->region_lock);
    return has_id ? cache : NULL;
}

struct cache *gci_cache_create(struct heap *heap)
{
    if (heap->caches == NULL) { /* first cache of the process: nobody else is there */
        heap->caches = gci_heap_take_meta(heap, CACHE_IDS * sizeof(struct cache *));
        if (heap->caches == NULL)
            return NULL;
    }
    struct cache *cache = take_shell(heap);
    if (cache != NULL)
        forget(cache);
    else
        cache = add_cache(heap);
    if (cache != NULL)
        begin(cache);
    return cache;
}

struct cache *gci_cache_sampled(struct heap *heap, struct cache *cache)
{
    if (LIKELY(cache->sampled != NULL))
        return cache->sampled;
    struct cache *sampled = gci_cache_create(heap);
    if (sampled != NULL)
        sampled->flags = HAS_SAMPLES;
    cache->sampled = sampled;
    return sampled;
}

/* Whether a block without an owner is looked at again when the next change is due; false: it is due already. */
static bool settle_abandoned(struct heap *heap, uint32_t unit, uint32_t free_slots)
{
    struct block *block = block_at(heap, unit);
    const struct size_class *size_class = block_class(heap, unit);
    bool is_useful = free_slots >= size_class->worth;
    block->state = is_useful ? BLOCK_ABANDONED : BLOCK_ABANDONED_FULL;
    bool is_armed = gci_block_arm(block, (is_useful ? size_class->slots : size_class->worth) - free_slots);
    block->countdown = COUNTDOWN_OFF; /* no owner: every free is remote */
    return is_armed;
}

void gci_cache_abandon_block(struct heap *heap, uint32_t unit)
{
    struct block *block = block_at(heap, unit);
    struct hot hot = heap->meta.hot[unit];
    uint32_t count;
    block_set_owner(block, OWNER_NONE);
    block->window_word = NO_WINDOW;
    block->is_kept = false;
    do {
        count = gci_block_fold_all(heap, unit);
        if (count == gci_size_classes[hot_class(hot)].slots && gci_block_is_settled(heap, unit)) {
            gci_block_destroy(heap, unit, PAST_FREED);
            return;
        }
    } while (!settle_abandoned(heap, unit, count));
    if (block->state == BLOCK_ABANDONED) {
        gci_release_note_block(heap, unit, count);
        unit_list_push_tail(heap, gci_block_abandoned_list(heap, unit), unit);
    }
}

static void abandon_list(struct heap *heap, struct unit_list *list)
{
    while (list->head != 0) {
        uint32_t unit = list->head;
        unit_list_remove(heap, list, unit);
        gci_cache_abandon_block(heap, unit);
    }
}

void gci_cache_forget_woken(struct heap *heap, struct owned_blocks *owned)
{
    uint32_t unit = u32_load(&owned->woken);
    u32_store(&owned->woken, 0);
    for (; unit != 0; unit = block_at(heap, unit)->woken_next)
        block_at(heap, unit)->is_woken = false;
}

static void retire_class(struct heap *heap, struct cache *cache, enum block_kind kind, unsigned class_index)
{
    struct owned_blocks *owned = &cache->owned[kind][class_index];
    gci_lock_acquire(&heap->class_locks[class_index]);
    gci_cache_forget_woken(heap, owned);
    if (owned->current != 0)
        gci_cache_abandon_block(heap, owned->current);
    owned->current = 0;
    abandon_list(heap, &owned->available);
    abandon_list(heap, &owned->full);
    gci_lock_release(&heap->class_locks[class_index]);
}

static bool owns_nothing(const struct owned_blocks *owned)
{
    return owned->current == 0 && owned->available.head == 0 && owned->full.head == 0;
}

/* A thread that ends by itself has said before, under the lock of counts, that it counts no longer and is busy with nothing.
 * One that was killed, or that a fork has left behind, has not. */
static void give_shell(struct heap *heap, struct cache *cache)
{
    gci_lock_acquire(&heap->region_lock);
    u32_store_release(&cache->counts, 0);
    if (cache->busy_at != NULL)
        cache->busy_at = NULL;
    cache->is_in_use = false;
    gci_lock_release(&heap->region_lock);
}

static void retire(struct heap *heap, struct cache *cache)
{
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        for (unsigned i = 0; i < CLASS_COUNT; i++) {
            gci_cache_close_window(cache, (enum block_kind)kind, i);
            if (!owns_nothing(&cache->owned[kind][i]))
                retire_class(heap, cache, (enum block_kind)kind, i);
        }
    gci_large_clear_shelf(heap, cache);
    give_shell(heap, cache);
}

void gci_cache_retire(struct heap *heap, struct cache *cache)
{
    struct cache *sampled = cache->sampled;
    cache->sampled = NULL;
    retire(heap, cache);
    if (sampled != NULL)
        retire(heap, sampled);
}

static void orphan_block(struct heap *heap, uint32_t unit)
{
    struct block *block = block_at(heap, unit);
    struct hot hot = heap->meta.hot[unit];
    block->is_woken = false;
    gci_lock_acquire(&heap->class_locks[hot_class(hot)]);
    gci_cache_abandon_block(heap, unit);
    gci_lock_release(&heap->class_locks[hot_class(hot)]);
}

READS_RAW_MEMORY static bool read_memory(void *to, uintptr_t from, size_t bytes)
{
    bool is_there = gci_pages_is_readable(from) && gci_pages_is_readable(from + bytes - 1);
    if (is_there)
        __builtin_memcpy(to, (const void *)from, bytes); // NOLINT(performance-no-int-to-ptr)
    return is_there;
}

/* A thread that has ended by the system call alone has told nobody, and its thread-local storage may be gone. Its control block
 * knows: the kernel clears the id there before anybody can join the thread. */
static bool is_there(const struct cache *cache)
{
    return cache == gci_cache_self.cache || gci_thread_may_run(cache->busy_block, read_memory);
}

void gci_cache_forget_busy(const struct heap *heap, uintptr_t object)
{
    for (uint32_t id = 1; id <= u32_load_acquire(&heap->cache_count); id++) {
        const struct cache *cache = heap->caches[id];
        volatile shared_word *at = cache->busy_at;
        if (at != NULL && word_load_acquire(&cache->busy_with) == object && is_there(cache) && word_load(at) == object)
            word_store(at, 0);
    }
}

void gci_cache_forget_names(struct heap *heap, const struct cache *kept)
{
    for (uint32_t id = 1; id <= u32_load_acquire(&heap->cache_count); id++)
        if (heap->caches[id] != kept)
            heap->caches[id]->busy_at = NULL;
}

/* A window's bits are in `free` itself, so nothing of a lost cache matters but which blocks named it. A slot that its
 * thread was about to take or free stays allocated: the collector finds it. Its shelf, which may be half changed, is empty from
 * here on: the runs say themselves that they were on it. */
void gci_cache_retire_all_but(struct heap *heap, struct cache *kept)
{
    for (uint32_t unit = 1; unit < heap->frontier; unit++) {
        struct hot hot = heap->meta.hot[unit];
        if (hot.use == UNIT_LARGE && block_at(heap, unit)->state == BLOCK_SHELVED)
            gci_large_give(heap, unit);
        if (hot.use != UNIT_SMALL)
            continue;
        gci_block_settle(heap, unit);
        if (u32_load(&block_at(heap, unit)->custody) & HAS_REMOTE)
            shut_window(heap, unit);
        uint32_t owner = block_owner(block_at(heap, unit));
        if (owner != OWNER_NONE && (kept == NULL || owner != kept->id))
            orphan_block(heap, unit);
    }
    for (uint32_t id = 1; id <= u32_load_acquire(&heap->cache_count); id++) {
        heap->caches[id]->shelf = (struct shelf){.count = 0};
        if (heap->caches[id] != kept)
            give_shell(heap, heap->caches[id]);
    }
    if (kept != NULL)
        kept->sampled = NULL;
}
