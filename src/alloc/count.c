/* SPDX-License-Identifier: MIT */
/* Implementation of alloc/count.h: everything but the owner's plain steps. */
#include "alloc/count.h"

#include <errno.h>

#include "alloc/alloc.h"
#include "alloc/misuse.h"
#include "collect/bound.h"
#include "heap/special/special.h"
#include "platform/env.h"
#include "platform/sync.h"
#include "world/critical.h"

__thread uint32_t gci_count_self TLS_INITIAL_EXEC = COUNT_NOBODY;

/* What the calling thread has to destroy: the head of a list by `link`. Thread-local storage is a root. */
static __thread struct counted *pending TLS_INITIAL_EXEC;
static __thread bool is_running TLS_INITIAL_EXEC;

static struct lock count_lock; /* inboxes, and who is owner */
static struct lock weak_lock;  /* entries of weak references, and the end of objects that have one */

/* Counts past this make an object immortal: the next flag of `shared` would be its sign. */
#define SHARED_COUNT_MAX (INT32_MAX / (int32_t)SHARED_ONE - 1)

static void *data_of(struct counted *counted)
{
    return (char *)counted + COUNTED_HEADER_BYTES;
}

void gci_count_die(const void *object, const char *function, const char *cause)
{
    struct text text;
    gci_misuse_begin(&text, object, function);
    gci_text_add(&text, cause);
    gci_env_die(&text);
}

/* ---- Destroying --------------------------------------------------------------------------------------------------- */

static void call_destroy(struct counted *counted)
{
    const struct counted_type *type = counted_type(counted);
    if (type != NULL && type->destroy != NULL)
        type->destroy(data_of(counted));
}

READS_OTHERS_BITS static void free_memory(struct counted *counted)
{
    counted_set_freed(counted);
    free_fast(counted, "gca_release");
}

static void destroy_pending(void)
{
    while (pending != NULL) {
        struct counted *counted = pending;
        pending = (struct counted *)counted->link; // NOLINT(performance-no-int-to-ptr)
        counted_set_state(counted, COUNTED_DESTROYED);
        call_destroy(counted);
        free_memory(counted);
    }
}

/* No reference is left. Inside a destroy function it waits until that has returned. */
static void dispose(struct counted *counted)
{
    counted_set_state(counted, COUNTED_DYING);
    counted->link = (uintptr_t)pending;
    pending = counted;
    if (is_running)
        return;
    int saved = errno;
    is_running = true;
    destroy_pending();
    is_running = false;
    errno = saved;
}

/* ---- Weak references ---------------------------------------------------------------------------------------------- */

/* With the lock of weak references held, and no reference left: nobody finds the object any more. */
static void cut_entry(struct counted *counted)
{
    gci_special_lock();
    const struct special *special = gci_special_find((uintptr_t)counted, SPECIAL_WEAK);
    if (special != NULL)
        *(uintptr_t *)special->first = 0; // NOLINT(performance-no-int-to-ptr)
    gci_special_unlock();
    counted_set_state(counted, COUNTED_DYING);
}

static void lock_weak(void)
{
    critical_enter();
    gci_lock_acquire(&weak_lock);
}

static void unlock_weak(void)
{
    gci_lock_release(&weak_lock);
    critical_leave();
}

struct step {
    uint32_t before;
    uint32_t after;
};

/* Changes `shared` from what it is to what `next` makes of it; a step that leaves no reference to an object that has weak
 * ones is made under their lock. */
static struct step step(struct counted *counted, uint32_t (*next)(uint32_t shared, uint32_t local), uint32_t local)
{
    for (;;) {
        uint32_t seen = u32_load(&counted->shared);
        uint32_t wanted = next(seen, local);
        bool is_end = (wanted & (SHARED_MERGED | SHARED_WEAK | SHARED_QUEUED)) == (SHARED_MERGED | SHARED_WEAK) &&
                      shared_count(wanted) == 0;
        if (is_end)
            lock_weak();
        bool done = u32_compare_and_swap(&counted->shared, seen, wanted);
        if (is_end && done)
            cut_entry(counted);
        if (is_end)
            unlock_weak();
        if (done)
            return (struct step){seen, wanted};
    }
}

static bool is_dead(uint32_t shared)
{
    return (shared & (SHARED_MERGED | SHARED_QUEUED)) == SHARED_MERGED && shared_count(shared) == 0;
}

/* ---- Merging ------------------------------------------------------------------------------------------------------ */

static uint32_t merged(uint32_t shared, uint32_t local)
{
    return (shared + local * SHARED_ONE) | SHARED_MERGED;
}

static uint32_t merged_from_inbox(uint32_t shared, uint32_t local)
{
    return merged(shared, local) & ~SHARED_QUEUED;
}

/* From the owner to nobody; false where another thread has made it immortal meanwhile. */
static bool leave_owner(struct counted *counted)
{
    uint64_t seen = word_load(&counted->type_and_state);
    while (seen >> COUNTED_STATE_SHIFT != COUNTED_IMMORTAL) {
        if (word_compare_and_swap(&counted->type_and_state, seen, seen & COUNTED_TYPE_MASK))
            return true;
        seen = word_load(&counted->type_and_state);
    }
    return false;
}

/* By the owner, or for an owner that has ended with the lock held. True: no reference is left. */
static bool merge(struct counted *counted, uint32_t (*next)(uint32_t shared, uint32_t local))
{
    uint32_t local = counted->local;
    if (local > (uint32_t)SHARED_COUNT_MAX / 2) {
        gci_count_make_immortal(counted);
        return false;
    }
    if (!leave_owner(counted))
        return false;
    counted->local = 0;
    uint32_t shared = step(counted, next, local).after;
    if (UNLIKELY(shared_count(shared) < 0 && !(shared & SHARED_QUEUED)))
        gci_count_die(data_of(counted), "gca_release", "released too often");
    return is_dead(shared);
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

static void lock_counts(void)
{
    critical_enter();
    gci_lock_acquire(&count_lock);
}

static void unlock_counts(void)
{
    gci_lock_release(&count_lock);
    critical_leave();
}

/* Without room for it the object is left to the collector. */
static void put_into_inbox(struct counted *counted)
{
    bool is_over = false;
    lock_counts();
    struct cache *owner = gci_cache_by_id(&gci_heap, counted_state(counted));
    if (owner == NULL || u32_load(&owner->counts) == 0) {
        is_over = merge(counted, merged_from_inbox);
    } else if (make_room(&owner->inbox)) {
        uint32_t count = u32_load(&owner->inbox.count);
        owner->inbox.objects[count] = (uintptr_t)counted;
        u32_store(&owner->inbox.count, count + 1);
    }
    unlock_counts();
    if (is_over)
        dispose(counted);
}

/* For the owner itself, or for one that has ended. */
static void empty_inbox(struct cache *owner)
{
    bool goes_on = u32_load(&owner->inbox.count) != 0;
    while (goes_on) {
        lock_counts();
        bool is_ours = owner == gci_cache_self.cache || u32_load(&owner->counts) == 0;
        struct counted *counted = is_ours ? take_from(&owner->inbox) : NULL;
        bool is_over = counted != NULL && merge(counted, merged_from_inbox);
        unlock_counts();
        if (is_over)
            dispose(counted);
        goes_on = counted != NULL;
    }
}

static void empty_inboxes(void)
{
    for (uint32_t id = 1; id <= u32_load_acquire(&gci_heap.cache_count); id++) {
        struct cache *cache = gci_heap.caches[id];
        if (cache == gci_cache_self.cache || u32_load(&cache->counts) == 0)
            empty_inbox(cache);
    }
}

/* ---- Owners ------------------------------------------------------------------------------------------------------- */

static void become_owner(void)
{
    if (gci_cache_self.cache == &gci_cache_empty || gci_cache_self.id >= COUNTED_OWNERS_END)
        return;
    lock_counts();
    u32_store(&gci_cache_self.cache->counts, 1);
    gci_count_self = gci_cache_self.id;
    unlock_counts();
}

void gci_count_thread_ends(void)
{
    if (gci_count_self == COUNT_NOBODY)
        return;
    is_running = false; /* a destroy function may have ended the thread */
    empty_inbox(gci_cache_self.cache);
    lock_counts();
    u32_store(&gci_cache_self.cache->counts, 0);
    gci_count_self = COUNT_NOBODY;
    unlock_counts();
    empty_inbox(gci_cache_self.cache);
    is_running = true;
    destroy_pending();
    is_running = false;
}

void *gci_count_new(size_t bytes, const struct counted_type *type)
{
    if (UNLIKELY(u32_load(&gci_bound_is_due) != 0 || u32_load(&gci_cache_self.cache->inbox.count) != 0))
        gci_count_run_due();
    if (bytes > PTRDIFF_MAX - COUNTED_HEADER_BYTES)
        return NULL;
    struct counted *counted = gci_alloc_zeroed(counted_slot_bytes(bytes), KIND_HEADED);
    if (counted == NULL)
        return NULL;
    if (UNLIKELY(gci_count_self == COUNT_NOBODY))
        become_owner();
    bool is_owned = gci_count_self != COUNT_NOBODY;
    counted->local = is_owned ? 1 : 0;
    u32_store(&counted->shared, is_owned ? 0 : SHARED_ONE | SHARED_MERGED);
    word_store(&counted->type_and_state, (uintptr_t)type | (uint64_t)(is_owned ? gci_count_self : COUNTED_MERGED)
                                                               << COUNTED_STATE_SHIFT);
    return data_of(counted);
}

/* ---- Steps of others ---------------------------------------------------------------------------------------------- */

/* Below nothing, with the rest of the count at the owner, it goes into the owner's inbox. */
static uint32_t one_less(uint32_t shared, uint32_t local)
{
    uint32_t less = shared - SHARED_ONE;
    (void)local;
    return shared_count(less) < 0 && !(less & SHARED_MERGED) ? less | SHARED_QUEUED : less;
}

static void check_retain(struct counted *counted, uint32_t state)
{
    if (state == COUNTED_FREED)
        gci_count_die(data_of(counted), "gca_retain", "already freed");
    if (state >= COUNTED_OWNERS_END && state != COUNTED_IMMORTAL)
        gci_count_die(data_of(counted), "gca_retain", "the object is being destroyed");
    if (!object_is_allocated(&gci_heap, gci_resolve(&gci_heap, (uintptr_t)counted)) ||
        gci_resolve(&gci_heap, (uintptr_t)counted).start != (uintptr_t)counted)
        gci_count_die(data_of(counted), "gca_retain", "not a counted object");
}

static void retain_shared(struct counted *counted)
{
    if (UNLIKELY(shared_count(u32_load(&counted->shared)) >= SHARED_COUNT_MAX))
        gci_count_make_immortal(counted);
    else
        u32_add(&counted->shared, SHARED_ONE);
}

void gci_count_retain_slow(struct counted *counted)
{
    uint32_t state = counted_state(counted);
    if (UNLIKELY(state >= COUNTED_OWNERS_END))
        check_retain(counted, state);
    if (state == COUNTED_IMMORTAL)
        return;
    if (state == gci_count_self) /* the count is at its end */
        gci_count_make_immortal(counted);
    else
        retain_shared(counted);
}

/* True: there is nothing to be counted. */
static bool is_beyond_release(struct counted *counted, uint32_t state)
{
    if (state == COUNTED_IMMORTAL || state == COUNTED_BATCH || state == COUNTED_BATCH_DESTROYED)
        return true;
    if (state == COUNTED_FREED)
        gci_count_die(data_of(counted), "gca_release", "already freed");
    if (state >= COUNTED_OWNERS_END)
        gci_count_die(data_of(counted), "gca_release", "released too often");
    return false;
}

static void release_shared(struct counted *counted)
{
    uint32_t before = u32_load(&counted->shared);
    if (UNLIKELY((before & SHARED_MERGED) && shared_count(before) <= 0))
        gci_count_die(data_of(counted), "gca_release", "released too often");
    struct step done = step(counted, one_less, 0);
    if (is_dead(done.after))
        dispose(counted);
    else if (~done.before & done.after & SHARED_QUEUED)
        put_into_inbox(counted);
}

/* The owner's reference is the only one, and no weak one can bring another: nobody else may touch the count any more. */
static bool is_last_of_all(const struct counted *counted)
{
    return counted->local == 1 && u32_load_acquire(&counted->shared) == 0;
}

void gci_count_release_slow(struct counted *counted)
{
    uint32_t state = counted_state(counted);
    if (LIKELY(state == gci_count_self && is_last_of_all(counted))) {
        dispose(counted);
        return;
    }
    if (UNLIKELY(state >= COUNTED_OWNERS_END) && is_beyond_release(counted, state))
        return;
    if (state != gci_count_self) {
        release_shared(counted);
        return;
    }
    counted->local--;
    if (merge(counted, merged))
        dispose(counted);
}

size_t gci_count_references(const struct counted *counted)
{
    uint32_t state = counted_state(counted);
    if (state == COUNTED_IMMORTAL)
        return SIZE_MAX;
    if (state >= COUNTED_OWNERS_END)
        return 0;
    int64_t count = (int64_t)counted->local + shared_count(u32_load(&counted->shared));
    return count > 0 ? (size_t)count : 0;
}

void gci_count_make_immortal(struct counted *counted)
{
    critical_enter();
    gci_special_add(&gci_heap, gci_resolve(&gci_heap, (uintptr_t)counted), SPECIAL_IMMORTAL, 1, 0);
    uint64_t seen = word_load(&counted->type_and_state); /* its owner may be leaving it */
    while (!word_compare_and_swap(&counted->type_and_state, seen,
                                  (seen & COUNTED_TYPE_MASK) | (uint64_t)COUNTED_IMMORTAL << COUNTED_STATE_SHIFT))
        seen = word_load(&counted->type_and_state);
    critical_leave();
}

/* ---- Weak references, as the program has them ----------------------------------------------------------------------- */

static uint32_t with_weak(uint32_t shared, uint32_t local)
{
    (void)local;
    return shared | SHARED_WEAK;
}

static uintptr_t *find_entry(const struct counted *counted)
{
    gci_special_lock();
    const struct special *special = gci_special_find((uintptr_t)counted, SPECIAL_WEAK);
    uintptr_t *entry = special != NULL ? (uintptr_t *)special->first : NULL; // NOLINT(performance-no-int-to-ptr)
    gci_special_unlock();
    return entry;
}

/* The entry that there is, or `fresh`, which holds the object's address from then on. NULL: no memory for the record. */
static uintptr_t *find_or_add_entry(struct counted *counted, uintptr_t *fresh)
{
    lock_weak();
    uintptr_t *entry = find_entry(counted);
    if (entry == NULL && fresh != NULL) {
        *fresh = ~(uintptr_t)counted;
        struct object object = gci_resolve(&gci_heap, (uintptr_t)counted);
        entry = gci_special_add(&gci_heap, object, SPECIAL_WEAK, (uintptr_t)fresh, 0) ? fresh : NULL;
    }
    unlock_weak();
    return entry;
}

void *gci_count_weak_entry(struct counted *counted)
{
    uintptr_t *entry = find_or_add_entry(counted, NULL);
    if (entry == NULL)
        entry = find_or_add_entry(counted, alloc_fast(GRANULE_BYTES, KIND_ATOMIC));
    if (entry != NULL && counted_state(counted) != COUNTED_IMMORTAL)
        step(counted, with_weak, 0);
    return entry;
}

/* Not stopped between the load and the count: nothing else keeps the object meanwhile. */
void *gci_count_weak_get(const void *entry)
{
    const uintptr_t *hidden = entry;
    struct counted *counted = NULL;
    lock_weak();
    if (*hidden != 0) {
        counted = (struct counted *)~*hidden; // NOLINT(performance-no-int-to-ptr)
        count_retain(data_of(counted));
    }
    unlock_weak();
    return counted == NULL ? NULL : data_of(counted);
}

/* ---- What the collector has set aside ------------------------------------------------------------------------------- */

/* All destroy functions, then all memory: they may look at one another. */
static size_t destroy_batch(struct counted *head)
{
    size_t calls = 0;
    for (struct counted *at = head; at != NULL; at = (struct counted *)at->link, calls++) { // NOLINT
        bool was_destroyed = counted_state(at) == COUNTED_BATCH_DESTROYED;
        counted_set_state(at, COUNTED_BATCH_DESTROYED);
        if (!was_destroyed)
            call_destroy(at);
    }
    for (struct counted *next; head != NULL; head = next) {
        next = (struct counted *)head->link; // NOLINT(performance-no-int-to-ptr)
        free_memory(head);
    }
    return calls;
}

static struct counted *take_counted(void)
{
    critical_enter();
    struct counted *head = gci_bound_take_counted();
    critical_leave();
    return head;
}

static bool take_finalizer(struct due_finalizer *due)
{
    critical_enter();
    bool taken = gci_bound_take_finalizer(due);
    critical_leave();
    return taken;
}

size_t gci_count_run_due(void)
{
    struct due_finalizer due;
    size_t calls = 0;
    if (is_running || critical_is_inside() || !gci_alloc_is_ready())
        return 0;
    int saved = errno;
    empty_inboxes();
    is_running = true;
    calls += destroy_batch(take_counted());
    destroy_pending();
    for (; take_finalizer(&due); calls++) {
        due.run((void *)due.object, due.data); // NOLINT(performance-no-int-to-ptr)
        destroy_pending();
    }
    is_running = false;
    errno = saved;
    return calls;
}

void gci_count_lock(void)
{
    gci_lock_acquire(&count_lock);
    gci_lock_acquire(&weak_lock);
    gci_bound_lock();
    gci_special_lock();
}

void gci_count_unlock(void)
{
    gci_special_unlock();
    gci_bound_unlock();
    gci_lock_release(&weak_lock);
    gci_lock_release(&count_lock);
}

void gci_count_reset_lock(void)
{
    gci_lock_reset(&count_lock);
    gci_lock_reset(&weak_lock);
    gci_bound_reset_lock();
    gci_special_reset_lock();
}
