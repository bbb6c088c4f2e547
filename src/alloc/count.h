/* SPDX-License-Identifier: MIT */
/* Reference counts: the two hot functions, and what stands behind them. States and header: heap/special/counted.h.
 *
 * Argument. `local` is read and written by the owner only; a thread is owner while its id is gci_count_self, which it
 * becomes under the lock of counts and stops being under it (gci_count_thread_ends). Others change `shared` by
 * compare-and-swap. Who brings the sum to 0 knows it: the owner when it merges (local becomes part of shared in the same
 * compare-and-swap that sets MERGED), anybody when shared falls to 0 with MERGED set. Below 0 without MERGED the sum is not
 * known to that thread: the object goes into the owner's inbox, once (QUEUED), and the owner merges when it looks there. An
 * object in an inbox is not destroyed by anybody else, so the inbox never holds a dead one. Where the owner has ended, the
 * thread that would put it into the inbox merges itself, under the lock, which a thread needs to become owner again.
 * With WEAK set the sum reaches 0 only under the lock of weak references, so that gca_weak_get, which holds it, either finds
 * the entry cleared or an object with a count.
 */
#ifndef GCI_ALLOC_COUNT_H
#define GCI_ALLOC_COUNT_H

#include "heap/resolve.h"
#include "heap/special/counted.h"
#include "platform/cpu.h"

/* The id under which the calling thread owns counted objects; no state of one until it has made any. */
#define COUNT_NOBODY 0x10000u
extern __thread uint32_t gci_count_self TLS_INITIAL_EXEC HIDDEN;

void *gci_count_new(size_t bytes, const struct counted_type *type);
void gci_count_retain_slow(struct counted *counted);
void gci_count_release_slow(struct counted *counted);
size_t gci_count_references(const struct counted *counted);
void gci_count_make_immortal(struct counted *counted);

/* The entry that weak references of the object share, in memory that is collected; NULL when there is none to be had. */
void *gci_count_weak_entry(struct counted *counted);

/* The retained object of an entry, or NULL once it is gone. */
void *gci_count_weak_get(const void *entry);

/* Finalizers, destroy functions of cycles, and inboxes; returns how many functions were called. */
size_t gci_count_run_due(void);

/* The calling thread owns nothing from here on. In a critical section or not; before its cache goes. */
void gci_count_thread_ends(void);

NORETURN COLD void gci_count_die(const void *object, const char *function, const char *cause);

void gci_count_lock(void);
void gci_count_unlock(void);
void gci_count_reset_lock(void);

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

ALWAYS_INLINE void count_retain(void *object)
{
    struct counted *counted = counted_perhaps(object);
    if (LIKELY(counted_state(counted) == gci_count_self) && LIKELY(counted->local != UINT32_MAX))
        counted->local++;
    else
        gci_count_retain_slow(counted_of(object, "gca_retain"));
}

ALWAYS_INLINE void count_release(void *object)
{
    struct counted *counted = counted_perhaps(object);
    if (LIKELY(counted_state(counted) == gci_count_self) && LIKELY(counted->local > 1))
        counted->local--;
    else
        gci_count_release_slow(counted_of(object, "gca_release"));
}

#endif
