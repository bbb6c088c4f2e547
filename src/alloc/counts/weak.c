/* SPDX-License-Identifier: MIT */
/* Implementation of alloc/counts/weak.h. */
#include "alloc/counts/weak.h"

#include "alloc/alloc.h"
#include "heap/special/special.h"
#include "platform/sync.h"
#include "world/critical.h"

static struct lock weak_lock; /* entries, and the end of objects that have one */
static __thread bool is_locked TLS_INITIAL_EXEC;

bool gci_weak_is_locked(void)
{
    return is_locked;
}

static void enter(void)
{
    critical_enter();
    gci_lock_acquire(&weak_lock);
    is_locked = true;
}

static void leave(void)
{
    is_locked = false;
    gci_lock_release(&weak_lock);
    critical_leave();
}

void gci_weak_cut(struct counted *counted)
{
    enter();
    gci_special_lock();
    const struct special *special = gci_special_find((uintptr_t)counted, SPECIAL_WEAK);
    if (special != NULL)
        *(uintptr_t *)special->first = 0; // NOLINT(performance-no-int-to-ptr)
    gci_special_unlock();
    counted_set_state(counted, COUNTED_DYING);
    leave();
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
    enter();
    uintptr_t *entry = find_entry(counted);
    if (entry == NULL && fresh != NULL) {
        *fresh = ~(uintptr_t)counted;
        struct object object = gci_resolve(&gci_heap, (uintptr_t)counted);
        entry = gci_special_add(&gci_heap, object, SPECIAL_WEAK, (uintptr_t)fresh, 0) ? fresh : NULL;
    }
    leave();
    return entry;
}

static void set_weak(struct counted *counted)
{
    uint32_t seen = u32_load(&counted->shared);
    while (!(seen & SHARED_WEAK) && !u32_compare_and_swap(&counted->shared, seen, seen | SHARED_WEAK))
        seen = u32_load(&counted->shared);
}

/* The caller has a reference meanwhile, so the flag is there before the last one goes. */
void *gci_weak_entry(struct counted *counted)
{
    uintptr_t *entry = find_or_add_entry(counted, NULL);
    if (entry == NULL)
        entry = find_or_add_entry(counted, alloc_fast(GRANULE_BYTES, KIND_ATOMIC));
    if (entry != NULL && counted_state(counted) != COUNTED_IMMORTAL)
        set_weak(counted);
    return entry;
}

/* Not stopped between the load and the count: nothing else keeps the object meanwhile. */
void *gci_weak_get(const void *entry, weak_retain_fn retain)
{
    const uintptr_t *hidden = entry;
    enter();
    struct counted *counted = (struct counted *)~*hidden; // NOLINT(performance-no-int-to-ptr)
    if (*hidden == 0 || !retain(counted))
        counted = NULL;
    leave();
    return counted == NULL ? NULL : counted_data(counted);
}

void gci_weak_lock(void)
{
    gci_lock_acquire(&weak_lock);
}

void gci_weak_unlock(void)
{
    gci_lock_release(&weak_lock);
}

void gci_weak_reset_lock(void)
{
    gci_lock_reset(&weak_lock);
}
