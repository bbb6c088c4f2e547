/* SPDX-License-Identifier: MIT */
/* Slow paths of requests: readiness, refill, large objects, running out of memory. */
#include "alloc/alloc.h"

#include <errno.h>

#include "alloc/refill.h"
#include "base/bits.h"
#include "base/options.h"
#include "collect/cycle.h"
#include "heap/large.h"
#include "heap/region.h"
#include "heap/special/sample.h"
#include "platform/sync.h"
#include "platform/thread.h"
#include "platform/vm.h"
#include "world/critical.h"
#include "world/stop.h"
#include "world/thread.h"

/* ---- Readiness ---------------------------------------------------------------------------------------------------- */

enum readiness { NOT_READY, BEING_MADE_READY, READY };
static volatile u32_shared readiness;

static void finish_init(bool succeeded)
{
    u32_store_release(&readiness, succeeded ? READY : NOT_READY);
    gci_wake_all(&readiness);
}

bool gci_alloc_is_ready(void)
{
    while (UNLIKELY(u32_load_acquire(&readiness) != READY)) {
        if (u32_compare_and_swap(&readiness, NOT_READY, BEING_MADE_READY)) {
            int error = gci_heap_init(&gci_heap);
            finish_init(error == 0);
            return error == 0;
        }
        gci_park(&readiness, BEING_MADE_READY, PARK_FOREVER);
    }
    return true;
}

/* ---- The shared cache: for threads that have none ----------------------------------------------------------------- */

static struct lock shared_lock;
static struct cache *shared_cache; /* guarded by shared_lock */

void gci_alloc_lock(void)
{
    gci_lock_acquire(&shared_lock);
}

void gci_alloc_unlock(void)
{
    gci_lock_release(&shared_lock);
}

void gci_alloc_reset_lock(void)
{
    shared_cache = NULL; /* its blocks are orphaned with the others' */
    gci_lock_reset(&shared_lock);
}

static struct cache *lock_shared_cache(void)
{
    gci_lock_acquire(&shared_lock);
    if (shared_cache == NULL)
        shared_cache = gci_cache_create(&gci_heap);
    if (shared_cache == NULL)
        gci_lock_release(&shared_lock);
    return shared_cache;
}

/* Before each critical section that may give the thread a cache. */
static void listen_if_new(void)
{
    if (gci_cache_self.cache == &gci_cache_empty && !gci_thread_is_detached())
        gci_world_listen();
}

static bool has_own_cache(void)
{
    if (gci_cache_self.cache != &gci_cache_empty)
        return true;
    if (gci_thread_is_detached() || !gci_thread_attach())
        return false;
    gci_thread_ask_exit_call();
    return true;
}

bool gci_alloc_attach_thread(void)
{
    if (critical_is_inside() || !gci_alloc_is_ready())
        return false;
    listen_if_new();
    critical_enter();
    bool attached = has_own_cache();
    critical_leave();
    return attached;
}

/* ---- Attempts ----------------------------------------------------------------------------------------------------- */

struct attempt {
    size_t bytes;
    size_t alignment; /* 0: that of any block */
    enum block_kind kind;
    unsigned class_index;        /* CLASS_COUNT: large */
    size_t asked_bytes;          /* by the program, when it is chosen */
    const struct sample *sample; /* NULL: not chosen */
    bool may_collect;
    bool is_clean; /* result: the memory is zero */
    bool is_stale; /* result: it must be */
};

/* NULL where the window has nothing: others may have shut it, or a signal handler that allocates have emptied it, right after
 * it was filled. */
static void *take_if_any(const struct window *window)
{
    uint64_t *word = window_word(window);
    uint64_t bits = *word;
    return LIKELY(bits != 0) ? window_take(window, word, bits) : NULL;
}

static enum refill_result take_small_from(struct cache *cache, struct attempt *attempt, void **block)
{
    struct window *window = &cache->windows[attempt->kind][attempt->class_index];
    enum refill_result result = REFILL_DONE;
    while (result == REFILL_DONE && (*block = take_if_any(window)) == NULL)
        result = gci_refill(&gci_heap, cache, attempt->kind, attempt->class_index, attempt->may_collect);
    return result;
}

static uint32_t unit_of(const void *block)
{
    return (uint32_t)(((uintptr_t)block - gci_heap.base) >> BLOCK_SHIFT);
}

static void note_sample(const struct attempt *attempt, const void *block)
{
    uint32_t unit = unit_of(block);
    uint32_t offset = (uint32_t)((uintptr_t)block % BLOCK_BYTES);
    uint32_t slot = attempt->class_index < CLASS_COUNT ? slot_of_offset(offset, gci_heap.meta.hot[unit].reciprocal) : 0;
    gci_sample_put(&gci_heap, unit, slot, attempt->sample, attempt->asked_bytes);
}

/* For want of room beside the ordinary blocks a chosen object becomes one that is not. */
static enum refill_result take_chosen_from(struct cache *cache, struct attempt *attempt, void **block)
{
    struct cache *sampled = gci_cache_sampled(&gci_heap, cache);
    enum refill_result result = REFILL_NEEDS_MEMORY;
    if (sampled != NULL)
        result = take_small_from(sampled, attempt, block);
    if (result == REFILL_DONE)
        note_sample(attempt, *block);
    return result == REFILL_NEEDS_MEMORY ? take_small_from(cache, attempt, block) : result;
}

/* Where nothing else is left, slots beside records serve as well: an object without a record is one that was not chosen. */
static enum refill_result take_plain_from(struct cache *cache, struct attempt *attempt, void **block)
{
    enum refill_result result = take_small_from(cache, attempt, block);
    if (UNLIKELY(result == REFILL_NEEDS_MEMORY) && cache->sampled != NULL)
        result = take_small_from(cache->sampled, attempt, block);
    return result;
}

static enum refill_result take_any_from(struct cache *cache, struct attempt *attempt, void **block)
{
    return UNLIKELY(attempt->sample != NULL) ? take_chosen_from(cache, attempt, block)
                                             : take_plain_from(cache, attempt, block);
}

static enum refill_result take_small(struct attempt *attempt, void **block)
{
    if (has_own_cache())
        return take_any_from(gci_cache_self.cache, attempt, block);
    struct cache *cache = lock_shared_cache();
    if (cache == NULL)
        return REFILL_NEEDS_MEMORY;
    enum refill_result result = take_any_from(cache, attempt, block);
    gci_lock_release(&shared_lock);
    return result;
}

static enum refill_result take_large(struct attempt *attempt, void **block)
{
    if (attempt->may_collect && gci_cycle_is_due(attempt->bytes))
        return REFILL_NEEDS_CYCLE;
    uint32_t unit = gci_large_create(&gci_heap, attempt->kind, attempt->bytes, attempt->alignment, &attempt->is_clean);
    if (unit == 0)
        return REFILL_NEEDS_MEMORY;
    *block = (void *)unit_address(&gci_heap, unit); // NOLINT(performance-no-int-to-ptr)
    attempt->is_stale = block_at(&gci_heap, unit)->is_stale;
    if (UNLIKELY(attempt->sample != NULL) && gci_sample_prepare(&gci_heap, unit)) {
        block_at(&gci_heap, unit)->is_sampled = true;
        note_sample(attempt, *block);
    }
    return REFILL_DONE;
}

/* A signal handler that allocates while this thread is in the middle of a slow path gets NULL: malloc is not safe there,
 * and the lists are not whole. */
static enum refill_result attempt_once(struct attempt *attempt, void **block)
{
    if (critical_is_inside())
        return REFILL_NEEDS_MEMORY;
    listen_if_new();
    critical_enter();
    enum refill_result result =
        attempt->class_index < CLASS_COUNT ? take_small(attempt, block) : take_large(attempt, block);
    critical_leave();
    return result;
}

static alloc_oom_fn volatile oom_callback;

void gci_alloc_on_oom(alloc_oom_fn callback)
{
    oom_callback = callback;
}

/* What the cache has that nobody uses. */
static void give_back_from(struct cache *cache)
{
    gci_large_clear_shelf(&gci_heap, cache);
    gci_refill_look_at_all_woken(&gci_heap, cache);
    gci_refill_give_empty(&gci_heap, cache);
}

size_t gci_alloc_release(uint32_t idle_ms)
{
    critical_enter();
    if (gci_cache_self.cache != &gci_cache_empty)
        give_back_from(gci_cache_self.cache);
    if (gci_cache_self.cache->sampled != NULL)
        give_back_from(gci_cache_self.cache->sampled);
    size_t released = gci_region_release(&gci_heap, idle_ms);
    critical_leave();
    return released;
}

/* Each time, other threads may take what was made room for before this one comes to it; a collection that frees little is
 * not repeated (collect/cycle.h). */
#define TRIES_MAX 16

/* What fails inside the callback does not call it again. It may be taken back meanwhile. */
static bool ask_program(size_t bytes)
{
    static __thread bool is_asking TLS_INITIAL_EXEC;
    alloc_oom_fn callback = oom_callback;
    if (callback == NULL || is_asking)
        return false;
    is_asking = true;
    bool goes_on = callback(bytes);
    is_asking = false;
    return goes_on;
}

/* Memory has run out: a collection, memory that waits to be given back, then the program's own idea. */
static bool make_room(const struct attempt *attempt, unsigned tries)
{
    if (tries < TRIES_MAX) {
        bool at_limit = gci_options.heap_limit != 0;
        bool has_collected = gci_cycle_run_for_memory(at_limit ? REASON_LIMIT : REASON_MEMORY);
        uint64_t used_before = region_used_bytes(&gci_heap);
        size_t released = gci_alloc_release(0);
        if (has_collected || released > 0 || region_used_bytes(&gci_heap) < used_before)
            return true;
    }
    return ask_program(attempt->bytes);
}

/* How often a request is tried again only because another thread has collected since: that one may have made room. */
#define TRIES_AFTER_OTHERS 4

static void *try_until_served(struct attempt *attempt)
{
    void *block = NULL;
    unsigned tries = 0;
    unsigned tries_after_others = 0;
    if (!gci_alloc_is_ready())
        return NULL;
    attempt->may_collect = true;
    for (;;) {
        uint64_t cycles = gci_cycle_count();
        enum refill_result result = attempt_once(attempt, &block);
        if (result == REFILL_DONE)
            return block;
        attempt->may_collect = false;
        if (result == REFILL_NEEDS_CYCLE)
            gci_cycle_run(REASON_GROWTH);
        else if (critical_is_inside())
            return NULL;
        else if (gci_cycle_count() != cycles && tries_after_others < TRIES_AFTER_OTHERS)
            tries_after_others++;
        else if (!make_room(attempt, tries++))
            return NULL;
    }
}

/* ---- Clearing ----------------------------------------------------------------------------------------------------- */

/* The system clears so much better than we do: memory that was in use before is given back for pages that read as zero, and
 * cost nothing until they are touched. Programs that ask for so much at once rarely touch all of it, or all at once; glibc
 * does the same from this size on. Below, what is touched costs more in page faults than to be cleared here. */
#define CLEARED_BY_SYSTEM_BYTES_MIN ((size_t)32 << 20)

static void *zero_memory(void *block, size_t usable)
{
    if (usable >= CLEARED_BY_SYSTEM_BYTES_MIN && usable % gci_vm_page_bytes() == 0 &&
        gci_vm_decommit(block, usable) == 0)
        return block;
    return __builtin_memset(block, 0, usable);
}

/* What this thread has freed last. NULL where more is to be done. */
static void *take_from_shelf(const struct attempt *attempt)
{
    struct cache *cache = gci_cache_self.cache;
    if (attempt->class_index < CLASS_COUNT || cache->shelf.count == 0 || attempt->alignment > BLOCK_BYTES ||
        attempt->sample != NULL || critical_is_inside())
        return NULL;
    critical_enter_brief();
    uint32_t unit = gci_large_unshelve(&gci_heap, cache, attempt->kind, attempt->bytes);
    void *block = unit == 0 ? NULL : (void *)unit_address(&gci_heap, unit); // NOLINT(performance-no-int-to-ptr)
    KEEP_ALIVE(block); /* the collector does not know numbers of units */
    critical_leave_brief();
    return block;
}

static void *allocate(struct attempt *attempt)
{
    void *block = take_from_shelf(attempt);
    if (block == NULL)
        block = try_until_served(attempt);
    if (UNLIKELY(attempt->is_stale) && block != NULL) {
        zero_memory(block, attempt->bytes);
        attempt->is_clean = true;
    }
    return block;
}

/* ---- Requests ----------------------------------------------------------------------------------------------------- */

static struct attempt plan(size_t bytes, size_t alignment, enum block_kind kind)
{
    struct attempt attempt = {.bytes = bytes == 0 ? 1 : bytes, .alignment = alignment, .kind = kind};
    attempt.class_index = size_class_aligned(attempt.bytes, alignment < GRANULE_BYTES ? GRANULE_BYTES : alignment);
    if (attempt.class_index == CLASS_COUNT)
        attempt.bytes = align_up(attempt.bytes, LARGE_GRAIN_BYTES);
    return attempt;
}

static bool is_impossible(size_t bytes, size_t alignment)
{
    return bytes > PTRDIFF_MAX - LARGE_GRAIN_BYTES || alignment > PTRDIFF_MAX;
}

/* What most slow requests need: another word or another block. NULL where more is to be done. */
static void *take_from_own(struct cache *cache, enum block_kind kind, unsigned class_index)
{
    const struct window *window = &cache->windows[kind][class_index];
    void *block = NULL;
    if (class_index >= CLASS_FEW_SLOTS) {
        critical_enter_brief();
        block = refill_take_recent(&gci_heap, cache, kind, class_index);
        KEEP_ALIVE(block); /* as an address, before a stop is answered */
        critical_leave_brief();
    } else if (LIKELY(gci_refill_window(&gci_heap, cache, kind, class_index))) {
        block = take_if_any(window);
    }
    if (LIKELY(block != NULL))
        return block;
    critical_enter();
    if (gci_refill(&gci_heap, cache, kind, class_index, true) == REFILL_DONE)
        block = take_if_any(window);
    critical_leave();
    return block;
}

static void *allocate_aligned(size_t bytes, size_t alignment, enum block_kind kind)
{
    if (is_impossible(bytes, alignment) || !gci_alloc_is_ready())
        return NULL;
    struct attempt attempt = plan(bytes, alignment, kind);
    return allocate(&attempt);
}

/* A block holds nothing there of what was in it before, which would keep what that pointed to. */
static void *clear_for_leaks(void *block, struct attempt *attempt)
{
    if (gci_options.mode != MODE_LEAKS || block == NULL || attempt->is_clean)
        return block;
    attempt->is_clean = true;
    size_t usable = attempt->class_index < CLASS_COUNT ? gci_size_classes[attempt->class_index].bytes : attempt->bytes;
    return __builtin_memset(block, 0, usable);
}

/* Of an object of a class that has many slots, from a block of chosen ones. NULL where more is to be done. The cache is asked for
 * only now: in a child of fork, which a handler may have made since the object was chosen, it is no longer the thread's. */
static void *take_chosen_from_own(const struct attempt *attempt)
{
    struct cache *sampled = gci_cache_self.cache->sampled;
    if (UNLIKELY(sampled == NULL) || attempt->class_index >= CLASS_FEW_SLOTS)
        return NULL;
    void *block = NULL;
    critical_enter_brief();
    const struct window *window = &sampled->windows[attempt->kind][attempt->class_index];
    if (*window_word(window) != 0 || gci_refill_window(&gci_heap, sampled, attempt->kind, attempt->class_index))
        block = take_if_any(window);
    if (LIKELY(block != NULL))
        sample_put_small(sample_of_small(block), attempt->sample, attempt->asked_bytes, (uintptr_t)block);
    critical_leave_brief();
    return block;
}

ALWAYS_INLINE bool choose(size_t bytes, struct sample *sample)
{
    const struct sample_hooks *hooks = gci_sample_hooks;
    return hooks != NULL && !critical_is_inside() && hooks->choose(bytes, sample);
}

/* Of what the budget has chosen, unless the profiler has second thoughts. `wanted_bytes` is what is allocated; *is_clean, where
 * somebody wants to know. */
static NOINLINE void *allocate_chosen(size_t bytes, size_t wanted_bytes, size_t alignment, enum block_kind kind,
                                      bool *is_clean)
{
    struct sample sample;
    void *block = NULL;
    if (is_impossible(wanted_bytes, alignment) || !gci_alloc_is_ready())
        return NULL;
    struct attempt attempt = plan(alloc_with_end(wanted_bytes), alignment, kind);
    attempt.sample = choose(bytes, &sample) ? &sample : NULL;
    attempt.asked_bytes = bytes;
    if (LIKELY(attempt.sample != NULL))
        block = take_chosen_from_own(&attempt);
    if (block == NULL)
        block = allocate(&attempt);
    block = clear_for_leaks(block, &attempt);
    if (is_clean != NULL)
        *is_clean = attempt.is_clean;
    return block;
}

/* Whether the calling thread's own cache may be asked without more ado. */
static bool may_use_own(void)
{
    return gci_cache_self.cache != &gci_cache_empty && !critical_is_inside();
}

static void *allocate_small(size_t bytes, enum block_kind kind)
{
    void *block = NULL;
    if (LIKELY(may_use_own())) {
        unsigned class_index = (unsigned)size_class_of(bytes);
        block = take_if_any(&gci_cache_self.cache->windows[kind][class_index]);
        if (block == NULL)
            block = take_from_own(gci_cache_self.cache, kind, class_index);
    }
    return LIKELY(block != NULL) ? block : allocate_aligned(bytes, GRANULE_BYTES, kind);
}

static void *or_no_memory(void *block)
{
    if (UNLIKELY(block == NULL))
        errno = ENOMEM;
    return block;
}

void *gci_alloc_chosen(size_t bytes, enum block_kind kind)
{
    return or_no_memory(allocate_chosen(bytes, bytes, GRANULE_BYTES, kind, NULL));
}

/* The request has spent the budget: the window has not been asked yet. */
static NOINLINE void *allocate_settled(size_t bytes, enum block_kind kind)
{
    if (gci_budget_settle(bytes))
        return gci_alloc_chosen(bytes, kind);
    return or_no_memory(bytes <= SMALL_BYTES_MAX ? allocate_small(bytes, kind)
                                                 : allocate_aligned(bytes, GRANULE_BYTES, kind));
}

/* The window has nothing left. */
static NOINLINE void *allocate_from_next(size_t bytes, enum block_kind kind)
{
    void *block = NULL;
    if (LIKELY(may_use_own()))
        block = take_from_own(gci_cache_self.cache, kind, (unsigned)size_class_of(bytes));
    return LIKELY(block != NULL) ? block : or_no_memory(allocate_aligned(bytes, GRANULE_BYTES, kind));
}

/* Calls at the end, for none of which anything has to be saved here. */
void *gci_alloc_slow(size_t bytes, enum block_kind kind)
{
    const struct sample_hooks *hooks = gci_sample_hooks;
    if (UNLIKELY(budget_settle_none(hooks)))
        return gci_alloc_recorded(bytes, kind, hooks);
    if (bytes <= SMALL_BYTES_MAX && !budget_is_spent())
        return allocate_from_next(bytes, kind);
    return allocate_settled(bytes, kind);
}

void *gci_alloc_aligned(size_t bytes, size_t alignment, enum block_kind kind)
{
    void *block = NULL;
    unsigned class_index = size_class_aligned(bytes, alignment);
    if (budget_count(bytes))
        return allocate_chosen(bytes, bytes, alignment, kind, NULL);
    if (LIKELY(class_index < CLASS_COUNT && may_use_own())) {
        const struct window *window = &gci_cache_self.cache->windows[kind][class_index];
        uint64_t *word = window_word(window);
        uint64_t bits = *word;
        block = LIKELY(bits != 0) ? window_take(window, word, bits)
                                  : take_from_own(gci_cache_self.cache, kind, class_index);
    }
    return LIKELY(block != NULL) ? block : allocate_aligned(bytes, alignment, kind);
}

static void *allocate_large(size_t bytes, enum block_kind kind, bool *is_clean)
{
    *is_clean = false;
    if (is_impossible(bytes, 0) || !gci_alloc_is_ready())
        return NULL;
    struct attempt attempt = plan(bytes, 0, kind);
    void *block = allocate(&attempt);
    *is_clean = attempt.is_clean;
    return block;
}

/* Small ones are as a rule not clean, and where they are, nobody says so. */
READS_OTHERS_BITS static void *clear(void *block, size_t bytes, bool is_clean)
{
    if (block == NULL || is_clean)
        return block;
    if (bytes <= SMALL_BYTES_MAX)
        return __builtin_memset(block, 0, gci_size_classes[size_class_of(bytes)].bytes);
    return zero_memory(block, align_up(bytes, LARGE_GRAIN_BYTES));
}

static void *zeroed_slow(size_t bytes, enum block_kind kind)
{
    bool is_clean = false;
    if (LIKELY(bytes <= SMALL_BYTES_MAX))
        return clear(alloc_fast(bytes, kind), bytes, false);
    void *block = budget_count(bytes) ? allocate_chosen(bytes, bytes, GRANULE_BYTES, kind, &is_clean)
                                      : allocate_large(bytes, kind, &is_clean);
    return clear(block, bytes, is_clean);
}

READS_OTHERS_BITS void *gci_alloc_zeroed(size_t bytes, enum block_kind kind)
{
    return alloc_zeroed_fast(bytes, kind, zeroed_slow);
}

void *gci_alloc_counted(const struct counted_request *request)
{
    size_t bytes = request->wanted_bytes;
    bool is_clean = false;
    void *block;
    if (UNLIKELY(request->is_chosen))
        block = allocate_chosen(request->bytes, bytes, GRANULE_BYTES, request->kind, &is_clean);
    else if (bytes <= SMALL_BYTES_MAX)
        block = allocate_small(bytes, request->kind);
    else
        block = allocate_large(bytes, request->kind, &is_clean);
    return request->is_zeroed ? clear(block, bytes, is_clean) : block;
}
