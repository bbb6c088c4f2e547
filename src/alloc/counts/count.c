/* SPDX-License-Identifier: MIT */
/* Implementation of alloc/counts/count.h: everything but the owner's plain steps. */
#include "alloc/counts/count.h"

#include "alloc/alloc.h"
#include "alloc/counts/weak.h"
#include "alloc/misuse.h"
#include "alloc/torture.h"
#include "base/assert.h"
#include "collect/bound.h"
#include "heap/special/special.h"
#include "platform/env.h"
#include "platform/sync.h"
#include "platform/thread.h"
#include "world/critical.h"

__thread struct count_self gci_count_self TLS_INITIAL_EXEC = {.owner = COUNT_NOBODY};

volatile u32_shared gci_count_has_runner;

static struct lock count_lock; /* inboxes, and who is owner */

/* The object of another thread that the calling thread has counted last, and how often in a row. */
static __thread uintptr_t last_shared TLS_INITIAL_EXEC; /* complemented: thread-local storage is a root */
static __thread uint32_t last_shared_times TLS_INITIAL_EXEC;
#define TIMES_TO_MERGE 64u /* so that an owner who does most of the counting is not asked to merge */

void gci_count_die(const void *object, const char *function, const char *cause)
{
    struct text text;
    gci_misuse_begin(&text, object, function);
    gci_text_add(&text, cause);
    gci_env_die(&text);
}

/* ---- The end of a count ------------------------------------------------------------------------------------------- */

static void enter(void)
{
    GCI_ASSERT(!gci_weak_is_locked()); /* it is the inner one */
    critical_enter();
    gci_lock_acquire(&count_lock);
}

static void leave(void)
{
    gci_lock_release(&count_lock);
    critical_leave();
}

/* No thread can be in the middle of counting it. */
static void forget_busy(const struct counted *counted)
{
    enter();
    gci_cache_forget_busy(&gci_heap, (uintptr_t)(counted + 1));
    leave();
}

static void dispose(struct counted *counted)
{
    if (u32_load(&counted->shared) & SHARED_BUSY)
        forget_busy(counted);
    if (u32_load(&counted->shared) & SHARED_WEAK)
        gci_weak_cut(counted);
    destroy_now_or_later(counted);
}

/* ---- Merging ------------------------------------------------------------------------------------------------------ */

/* From the owner to nobody; false where another thread has made it immortal meanwhile. */
static bool leave_owner(struct counted *counted)
{
    uint64_t seen = word_load(&counted->type_and_state);
    torture_point(TORTURE_LEAVES_OWNER);
    while (seen >> COUNTED_STATE_SHIFT != COUNTED_IMMORTAL) {
        if (word_compare_and_swap(&counted->type_and_state, seen, seen & COUNTED_TYPE_MASK))
            return true;
        seen = word_load(&counted->type_and_state);
    }
    return false;
}

/* By the owner, or for an owner that has ended with the lock held; `less` is what goes on the way: the owner's last reference, or
 * SHARED_QUEUE_STEP for what comes out of an inbox.
 * Where the flag stays set, and where a reference is left, the object is no longer the caller's to touch. Returns what `shared`
 * is then. */
static uint32_t merge(struct counted *counted, uint32_t less)
{
    uint32_t change = counted_local(counted) * SHARED_ONE + SHARED_MERGED - less;
    if (!leave_owner(counted))
        return SHARED_ONE;
    torture_point(TORTURE_LEFT_OWNER);
    counted_set_local(counted, 0);
    return u32_add(&counted->shared, change) + change;
}

/* Nobody's: the owner has merged what it had, or is about to, and leaves the end to whoever finds both flags as they should be.
 */
static uint32_t clear_queued(struct counted *counted)
{
    uint32_t seen = u32_load(&counted->shared);
    while (!u32_compare_and_swap(&counted->shared, seen, seen - SHARED_QUEUE_STEP))
        seen = u32_load(&counted->shared);
    return seen - SHARED_QUEUE_STEP;
}

/* Lock of counts held. True: no reference is left. */
static bool settle_queued(struct counted *counted)
{
    uint32_t state = counted_state(counted);
    if (state == COUNTED_IMMORTAL)
        return false;
    uint32_t shared = state == COUNTED_MERGED ? clear_queued(counted) : merge(counted, SHARED_QUEUE_STEP);
    if (UNLIKELY(shared & SHARED_MERGED && shared_count(shared) < 0))
        gci_count_die(counted_data(counted), "gca_release", "released too often");
    return shared_is_dead(shared);
}

/* ---- Inboxes ------------------------------------------------------------------------------------------------------ */

static bool make_room(struct inbox *inbox)
{
    if (u32_load(&inbox->count) < inbox->capacity)
        return true;
    uint32_t capacity = inbox->capacity == 0 ? 64 : 2 * inbox->capacity;
    uintptr_t *larger = gci_heap_take_meta(&gci_heap, capacity * sizeof *larger);
    if (larger == NULL)
        return false;
    for (uint32_t i = 0; i < u32_load(&inbox->count); i++)
        larger[i] = inbox->objects[i];
    inbox->objects = larger;
    inbox->capacity = capacity;
    return true;
}

static struct counted *take_from(struct inbox *inbox)
{
    uint32_t count = u32_load(&inbox->count);
    if (count == 0)
        return NULL;
    u32_store(&inbox->count, count - 1);
    return (struct counted *)inbox->objects[count - 1]; // NOLINT(performance-no-int-to-ptr)
}

/* Without room for it the object is left to the collector. */
static void put_into_inbox(struct counted *counted)
{
    bool is_over = false;
    enter();
    struct cache *owner = gci_cache_by_id(&gci_heap, counted_state(counted));
    if (owner == NULL || u32_load(&owner->counts) == 0) {
        is_over = settle_queued(counted);
    } else if (make_room(&owner->inbox)) {
        uint32_t count = u32_load(&owner->inbox.count);
        owner->inbox.objects[count] = (uintptr_t)counted;
        u32_store(&owner->inbox.count, count + 1);
        u32_store_release(&owner->errands, 1);
    }
    leave();
    if (is_over)
        dispose(counted);
}

/* For the owner itself, or for one that has ended. */
static void empty_inbox(struct cache *owner, size_t most)
{
    bool goes_on = u32_load(&owner->inbox.count) != 0;
    for (; goes_on && most != 0; most--) {
        enter();
        bool is_ours = owner == gci_cache_self.cache || u32_load(&owner->counts) == 0;
        struct counted *counted = is_ours ? take_from(&owner->inbox) : NULL;
        bool is_over = counted != NULL && settle_queued(counted);
        leave();
        if (is_over)
            dispose(counted);
        goes_on = counted != NULL;
    }
}

/* Of all that ends no more than a step is destroyed at once. */
static void empty_own_inbox(bool with_due)
{
    struct cache *own = gci_cache_self.cache;
    bool is_nested = destroy_is_running();
    if (!is_nested)
        gci_destroy_hold();
    empty_inbox(own, DESTROY_STEP);
    torture_point(TORTURE_ERRANDS);
    if (u32_load(&own->inbox.count) != 0)
        u32_store(&own->errands, 1);
    if (!is_nested)
        gci_destroy_go(with_due);
}

static void empty_inboxes(void)
{
    for (uint32_t id = 1; id <= u32_load_acquire(&gci_heap.cache_count); id++) {
        struct cache *cache = gci_heap.caches[id];
        if (cache == gci_cache_self.cache || u32_load(&cache->counts) == 0)
            empty_inbox(cache, SIZE_MAX);
    }
}

/* ---- Owners ------------------------------------------------------------------------------------------------------- */

/* The flag stays set where that cannot be: the short way to a new object relies on an owner. */
static void become_owner(void)
{
    if (gci_count_self.owner != COUNT_NOBODY)
        return;
    if (gci_cache_self.id >= COUNTED_OWNERS_END) {
        u32_store(&gci_cache_self.cache->errands, 1);
        return;
    }
    enter();
    u32_store(&gci_cache_self.cache->counts, 1);
    gci_count_self.owner = gci_cache_self.id;
    leave();
}

/* After the last function of the program's that may count: nobody else clears it from here on. */
static void end_busy(void)
{
    if (gci_cache_self.cache->busy_at == NULL)
        return;
    enter();
    gci_cache_self.cache->busy_at = NULL;
    word_store(&gci_count_self.busy, 0);
    leave();
}

void gci_count_thread_ends(void)
{
    if (gci_count_self.owner != COUNT_NOBODY) {
        empty_inbox(gci_cache_self.cache, SIZE_MAX);
        enter();
        u32_store(&gci_cache_self.cache->counts, 0);
        u32_store(&gci_cache_self.cache->errands, 1);
        gci_count_self.owner = COUNT_NOBODY;
        leave();
        empty_inbox(gci_cache_self.cache, SIZE_MAX);
    }
    gci_destroy_thread_ends();
    end_busy();
}

/* ---- New objects -------------------------------------------------------------------------------------------------- */

/* One step. What comes while it is under way, or is left, sets the flag again. */
static void do_errands(void)
{
    if (destroy_is_running() || critical_is_inside() || !gci_alloc_attach_thread())
        return;
    u32_store(&gci_cache_self.cache->errands, 0);
    fence_full();
    become_owner();
    empty_own_inbox(u32_load(&gci_bound_is_due) != 0 && u32_load(&gci_count_has_runner) == 0);
}

/* A thread without a cache owns nothing. */
void *gci_count_new(size_t bytes, const struct counted_type *type)
{
    if (u32_load(&gci_cache_self.cache->errands) != 0 || gci_count_self.owner == COUNT_NOBODY)
        do_errands();
    if (bytes > PTRDIFF_MAX - COUNTED_HEADER_BYTES)
        return NULL;
    struct counted *counted = gci_alloc_zeroed(counted_slot_bytes(bytes), KIND_HEADED);
    if (counted == NULL)
        return NULL;
    bool is_owned = gci_count_self.owner != COUNT_NOBODY;
    counted_set_local(counted, is_owned ? 1 : 0);
    u32_store(&counted->shared, is_owned ? 0 : SHARED_ONE | SHARED_MERGED);
    counted_set_type_and_state(counted, type, is_owned ? gci_count_self.owner : COUNTED_MERGED);
    return counted_data(counted);
}

/* ---- Steps of others ---------------------------------------------------------------------------------------------- */

/* For a retain at half of what fits, so that additions that are under way do not overflow. Counted as busy it may be from here
 * on, which changes nothing; the lock of weak references may be held, so the names are left alone. */
void gci_count_retain_end(struct counted *counted)
{
    if (counted_state(counted) == COUNTED_IMMORTAL)
        return;
    critical_enter();
    gci_special_add(&gci_heap, gci_resolve(&gci_heap, (uintptr_t)counted), SPECIAL_IMMORTAL, 1, 0);
    uint64_t seen = word_load(&counted->type_and_state); /* its owner may be leaving it */
    while (!word_compare_and_swap(&counted->type_and_state, seen,
                                  (seen & COUNTED_TYPE_MASK) | (uint64_t)COUNTED_IMMORTAL << COUNTED_STATE_SHIFT))
        seen = word_load(&counted->type_and_state);
    critical_leave();
}

static void check_retain(struct counted *counted, uint32_t state)
{
    if (state == COUNTED_FREED)
        gci_count_die(counted_data(counted), "gca_retain", "already freed");
    if (state >= COUNTED_OWNERS_END && state != COUNTED_IMMORTAL)
        gci_count_die(counted_data(counted), "gca_retain", "the object is being destroyed");
    if (!object_is_allocated(&gci_heap, gci_resolve(&gci_heap, (uintptr_t)counted)) ||
        gci_resolve(&gci_heap, (uintptr_t)counted).start != (uintptr_t)counted)
        gci_count_die(counted_data(counted), "gca_retain", "not a counted object");
}

/* Whether the calling thread has counted this object often and no other in between. */
static bool is_often(const struct counted *counted)
{
    if (~(uintptr_t)counted != last_shared) {
        last_shared = ~(uintptr_t)counted;
        last_shared_times = 0;
    }
    return ++last_shared_times >= TIMES_TO_MERGE;
}

/* The caller has a reference, so nobody disposes of the object before the name is there. That of the object before goes first, so
 * that who finds another name in the cache need not look here. */
static void make_busy(struct counted *counted, uint32_t shared)
{
    if (!gci_alloc_attach_thread())
        return;
    while (!(shared & SHARED_BUSY)) {
        u32_compare_and_swap(&counted->shared, shared, shared | SHARED_BUSY);
        shared = u32_load(&counted->shared);
    }
    struct cache *cache = gci_cache_self.cache;
    word_store(&gci_count_self.busy, 0);
    word_store_release(&cache->busy_with, (uintptr_t)(counted + 1));
    word_store_release(&gci_count_self.busy, (uintptr_t)(counted + 1));
    if (cache->busy_at == NULL) {
        enter();
        cache->busy_block = gci_thread_control_block();
        cache->busy_at = &gci_count_self.busy;
        leave();
    }
}

static void retain_shared(struct counted *counted)
{
    count_retain_shared(counted);
    uint32_t shared = u32_load(&counted->shared);
    if (UNLIKELY(is_often(counted)) && shared & (SHARED_MERGED | SHARED_QUEUED))
        make_busy(counted, shared);
}

/* The owner has retained as often as `taken` can tell. Of what it has not released, more than a half of what fits goes where
 * there is more room. After each step the count is too high, never too low: a fork may come in between. */
static void begin_again(struct counted *counted)
{
    uint16_t local = counted_local(counted);
    uint16_t moved = local > LOCAL_COUNT_MAX / 2 ? local / 2 : 0;
    bool is_near_end = moved != 0 && (int32_t)u32_add(&counted->shared, moved * SHARED_ONE) > INT32_MAX / 2;
    torture_point(TORTURE_BEGINS_AGAIN);
    u16_store(&counted->given, 0);
    torture_point(TORTURE_BEGINS_AGAIN);
    u16_store(&counted->taken, local - moved);
    torture_point(TORTURE_BEGINS_AGAIN);
    if (UNLIKELY(is_near_end))
        gci_count_retain_end(counted);
}

void gci_count_retain_slow(struct counted *counted)
{
    uint32_t state = counted_state(counted);
    if (UNLIKELY(state >= COUNTED_OWNERS_END))
        check_retain(counted, state);
    if (state == COUNTED_IMMORTAL)
        return;
    if (state != gci_count_self.owner) {
        retain_shared(counted);
        return;
    }
    if (u16_load(&counted->taken) == LOCAL_COUNT_MAX)
        begin_again(counted);
    u16_store(&counted->taken, u16_load(&counted->taken) + 1);
}

/* True: there is nothing to be counted. */
static bool is_beyond_release(struct counted *counted, uint32_t state)
{
    if (state == COUNTED_IMMORTAL || state == COUNTED_BATCH || state == COUNTED_BATCH_DESTROYED)
        return true;
    if (state == COUNTED_FREED)
        gci_count_die(counted_data(counted), "gca_release", "already freed");
    if (state >= COUNTED_OWNERS_END)
        gci_count_die(counted_data(counted), "gca_release", "released too often");
    return false;
}

/* Not known to be merged: a step below 0 and the flag that says so are one. True: done. */
static bool release_by_steps(struct counted *counted)
{
    bool is_to_merge = is_often(counted);
    uint32_t seen = u32_load(&counted->shared);
    for (; !(seen & (SHARED_MERGED | SHARED_QUEUED)); seen = u32_load(&counted->shared)) {
        uint32_t wanted = seen - SHARED_ONE;
        if (shared_count(wanted) < 0 || is_to_merge)
            wanted += SHARED_QUEUE_STEP;
        if (u32_compare_and_swap(&counted->shared, seen, wanted)) {
            torture_point(TORTURE_QUEUES);
            if (wanted & SHARED_QUEUED)
                put_into_inbox(counted);
            return true;
        }
        is_to_merge = true; /* others count it at the same time: once it is merged an addition will do */
    }
    return false;
}

void gci_count_release_end(struct counted *counted, uint32_t after)
{
    bool is_others = (after & (SHARED_MERGED | SHARED_QUEUED)) != SHARED_MERGED; /* and may be gone */
    if (is_others || counted_state(counted) == COUNTED_IMMORTAL)
        return;
    if (shared_is_dead(after))
        dispose(counted);
    else if (shared_count(after) < 0)
        gci_count_die(counted_data(counted), "gca_release", "released too often");
}

static void release_shared(struct counted *counted)
{
    if (!release_by_steps(counted))
        count_release_shared(counted);
}

/* The owner's last reference, while others have some or may get one. */
static void release_own(struct counted *counted)
{
    uint32_t shared = merge(counted, SHARED_ONE);
    if (shared_is_dead(shared))
        dispose(counted);
    else if (shared & SHARED_QUEUED)
        empty_own_inbox(false);
    else if (UNLIKELY(shared_count(shared) < 0))
        gci_count_die(counted_data(counted), "gca_release", "released too often");
}

void gci_count_release_slow(struct counted *counted)
{
    uint32_t state = counted_state(counted);
    if (UNLIKELY(state >= COUNTED_OWNERS_END) && is_beyond_release(counted, state))
        return;
    if (state == gci_count_self.owner)
        release_own(counted);
    else
        release_shared(counted);
}

void gci_count_make_immortal(struct counted *counted)
{
    gci_count_retain_end(counted);
    if (u32_load(&counted->shared) & SHARED_BUSY)
        forget_busy(counted);
}

/* ---- Weak references ----------------------------------------------------------------------------------------------- */

/* False: nobody has a reference any more, and whoever had the last one is about to cut the entry. */
static bool retain_if_alive(struct counted *counted)
{
    uint32_t state = counted_state(counted);
    if (state == gci_count_self.owner || state == COUNTED_IMMORTAL) {
        count_retain(counted_data(counted));
        return true;
    }
    uint32_t seen = u32_load(&counted->shared);
    while (!shared_is_dead(seen)) {
        if (u32_compare_and_swap(&counted->shared, seen, seen + SHARED_ONE))
            return true;
        seen = u32_load(&counted->shared);
    }
    return false;
}

void *gci_count_weak_get(const void *entry)
{
    return gci_weak_get(entry, retain_if_alive);
}

/* ---- What is due -------------------------------------------------------------------------------------------------- */

static size_t run(bool with_due)
{
    if (destroy_is_running() || critical_is_inside() || !gci_alloc_is_ready())
        return 0;
    empty_inboxes();
    return gci_destroy_rest() + (with_due ? gci_destroy_due() : 0);
}

size_t gci_count_run_due(void)
{
    return run(true);
}

void gci_count_run_errands(void)
{
    run(u32_load(&gci_count_has_runner) == 0);
}

void gci_count_lock(void)
{
    gci_lock_acquire(&count_lock);
    gci_weak_lock();
    gci_bound_lock();
    gci_special_lock();
}

void gci_count_unlock(void)
{
    gci_special_unlock();
    gci_bound_unlock();
    gci_weak_unlock();
    gci_lock_release(&count_lock);
}

void gci_count_reset_lock(void)
{
    gci_lock_reset(&count_lock);
    gci_weak_reset_lock();
    gci_bound_reset_lock();
    gci_special_reset_lock();
}
