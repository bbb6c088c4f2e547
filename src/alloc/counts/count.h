/* SPDX-License-Identifier: MIT */
/* Reference counts: the two hot functions, and what stands behind them. States and header: heap/special/counted.h.
 *
 * Argument. `taken` and `given` are written by the owner only; a thread is owner while its id is gci_count_self.owner, which it
 * becomes under the lock of counts and stops being under it (gci_count_thread_ends). The owner merges: its count becomes part
 * of `shared` in the addition that sets MERGED. Whoever brings the sum to 0 by an addition to `shared` sees it in what comes
 * back, and nobody adds to a sum of 0 (gci_count_weak_get does not). Without MERGED the sum is not known to other threads: who
 * brings `shared` below 0 sets QUEUED in the same compare-and-swap and puts the object into the owner's inbox; the owner merges
 * when it looks there. With QUEUED set nobody else destroys it, so the inbox never holds a dead one, and additions are safe
 * again, which never find a sum of 0 (SHARED_QUEUE_STEP). Where the owner has ended, the thread that would put it into the
 * inbox merges itself, under the lock, which a thread needs to become owner again. Where the owner has let go of it meanwhile,
 * who finds MERGED when it clears QUEUED decides.
 *
 * An object that several threads count at the same time is `busy` for each of them: its steps are one addition, and nothing of it
 * is loaded before, since a processor that loads early what another one is about to take has to begin again. Only objects with
 * MERGED or QUEUED are, for which an addition is safe; BUSY in `shared` makes whoever disposes of one clear the names of it
 * first, and a collection clears all. A thread that counts it has a reference, so neither comes in between.
 */
#ifndef GCI_ALLOC_COUNT_H
#define GCI_ALLOC_COUNT_H

#include "alloc/alloc.h"
#include "alloc/counts/destroy.h"
#include "heap/resolve.h"
#include "heap/special/counted.h"

/* Public as gca_rc_self_, for the inline functions of gcalloc/rc.h. */
#define COUNT_NOBODY 0x10000u
struct count_self {
    volatile shared_word busy; /* the calling thread's busy object, or 0; set by itself, cleared by anybody */
    uint32_t owner;            /* the id under which it owns counted objects; no state of one until it has made any */
};
extern __thread struct count_self gci_count_self __asm__("gca_rc_self_") EXPORT TLS_INITIAL_EXEC;

typedef void *(*count_new_fn)(size_t bytes, const struct counted_type *type);
void *gci_count_new(size_t bytes, const struct counted_type *type);
void gci_count_retain_slow(struct counted *counted);
void gci_count_release_slow(struct counted *counted);
void gci_count_make_immortal(struct counted *counted);

/* The retained object of an entry (weak.h), or NULL once it is gone. */
void *gci_count_weak_get(const void *entry);

/* Finalizers, destroy functions of cycles and what releases have left, and inboxes; returns how many functions were called. */
size_t gci_count_run_due(void);

/* The same, but what a collection has set aside is left to the thread that is there for it, if there is one. */
void gci_count_run_errands(void);
extern volatile u32_shared gci_count_has_runner HIDDEN;

/* The calling thread owns nothing from here on. In a critical section or not; before its cache goes. */
void gci_count_thread_ends(void);

NORETURN COLD void gci_count_die(const void *object, const char *function, const char *cause);

/* For fork. The child lacks the other threads, whatever step they were in, and each step is such that an object is at worst
 * kept too long. An owned one has a local count of 1 or more (the last reference and the merging are one addition), so whoever
 * becomes owner next counts on. One that its owner has left, but not added to, has neither MERGED nor an owner, and one that
 * never came into an inbox stays QUEUED: nobody destroys them, and the collector finds them. It also looks for the states
 * between, and so finds what was left of a list or a batch. */
void gci_count_lock(void);
void gci_count_unlock(void);
void gci_count_reset_lock(void);

/* What is left to do where the addition has brought a busy object's count to an end. */
void gci_count_retain_end(struct counted *counted);
void gci_count_release_end(struct counted *counted, uint32_t after);

/* The header of a counted object, or explains and aborts. */
ALWAYS_INLINE struct counted *counted_of(const void *object, const char *function)
{
    uintptr_t offset = (uintptr_t)object - gci_heap.base;
    if (UNLIKELY(offset >= word_load(&gci_heap.limit_bytes) ||
                 hot_kind(gci_heap.meta.hot[offset >> BLOCK_SHIFT]) != KIND_HEADED || offset % GRANULE_BYTES != 0))
        gci_count_die(object, function, "not a counted object");
    struct counted *counted = (struct counted *)((uintptr_t)object - COUNTED_HEADER_BYTES); // NOLINT
    if (UNLIKELY(counted_state(counted) == COUNTED_TYPED))
        gci_count_die(object, function, "not a counted object");
    return counted;
}

/* The header as it may be: that the word in front of a pointer names the calling thread as owner says enough for the two hot
 * functions, and all other pointers are looked at more closely. */
ALWAYS_INLINE struct counted *counted_perhaps(const void *object)
{
    return (struct counted *)((uintptr_t)object - COUNTED_HEADER_BYTES); // NOLINT(performance-no-int-to-ptr)
}

/* An object with one reference, zero-filled; NULL: no memory. `slow` is asked as the last thing, for what gci_count_new does. */
ALWAYS_INLINE void *count_new(size_t bytes, const struct counted_type *type, count_new_fn slow)
{
    torture_tick();
    const struct cache *cache = gci_cache_self.cache;
    if (UNLIKELY(bytes > ZEROED_INLINE_MAX - COUNTED_HEADER_BYTES || u32_load(&cache->errands) != 0))
        return slow(bytes, type);
    const struct window *window =
        cache_window(gci_cache_self.cache, KIND_HEADED, size_class_window(counted_slot_bytes(bytes)));
    uint64_t *word = window_word(window);
    uint64_t bits = *word;
    if (UNLIKELY(bits == 0 || !budget_take(counted_slot_bytes(bytes))))
        return slow(bytes, type);
    struct counted *counted = window_take(window, word, bits);
    zero_slot(counted + 1, window->slot_bytes - COUNTED_HEADER_BYTES);
    counted->link = COUNTED_FIRST_REFERENCE;
    counted_set_type_and_state(counted, type, gci_count_self.owner);
    return counted + 1;
}

ALWAYS_INLINE bool count_is_busy(const void *object)
{
    return UNLIKELY((uintptr_t)object == word_load(&gci_count_self.busy));
}

ALWAYS_INLINE void count_retain_shared(struct counted *counted)
{
    if (UNLIKELY((int32_t)u32_add(&counted->shared, SHARED_ONE) > INT32_MAX / 2))
        gci_count_retain_end(counted);
}

/* With MERGED or QUEUED set. */
ALWAYS_INLINE void count_release_shared(struct counted *counted)
{
    uint32_t after = u32_add(&counted->shared, -SHARED_ONE) - SHARED_ONE;
    if (UNLIKELY((int32_t)after < (int32_t)SHARED_ONE))
        gci_count_release_end(counted, after);
}

ALWAYS_INLINE bool count_is_own(const struct counted *counted)
{
    return counted_owner(counted) == gci_count_self.owner;
}

/* One more in the owner's `count`, which never reaches `end`; false: it would. */
ALWAYS_INLINE bool count_step(volatile u16_shared *count, uint16_t end)
{
    uint16_t more = (uint16_t)(u16_load(count) + 1);
    if (UNLIKELY(more == end))
        return false;
    u16_store(count, more);
    return true;
}

ALWAYS_INLINE void count_retain(void *object)
{
    struct counted *counted = counted_perhaps(object);
    if (count_is_busy(object))
        count_retain_shared(counted);
    else if (UNLIKELY(!count_is_own(counted)) || UNLIKELY(!count_step(&counted->taken, 0)))
        gci_count_retain_slow(counted_of(object, "gca_retain"));
}

/* Where the owner's reference is the only one, and no weak one can bring another, nobody else may touch the count any more. */
ALWAYS_INLINE void count_release(void *object)
{
    struct counted *counted = counted_perhaps(object);
    if (count_is_busy(object)) {
        count_release_shared(counted);
        return;
    }
    if (LIKELY(count_is_own(counted))) {
        if (count_step(&counted->given, u16_load(&counted->taken)))
            return;
        if (LIKELY(u32_load_acquire(&counted->shared) == 0)) {
            destroy_now_or_later(counted);
            return;
        }
    }
    gci_count_release_slow(counted_of(object, "gca_release"));
}

#endif
