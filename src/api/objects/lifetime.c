/* SPDX-License-Identifier: MIT */
/* The functions of gcalloc.h about when objects go: finalizers, weak links, ephemerons, layouts. */
#include <gcalloc.h>

#include <errno.h>

#include "alloc/counts/count.h"
#include "api/family.h"
#include "api/init.h"
#include "api/objects/layout.h"
#include "collect/cycle.h"
#include "heap/special/special.h"
#include "world/critical.h"

#define FINALIZERS (UINT32_C(1) << SPECIAL_FINALIZER | UINT32_C(1) << SPECIAL_FINALIZER_UNORDERED)

static bool find_living(const void *address, struct object *object)
{
    *object = gci_resolve(&gci_heap, (uintptr_t)address);
    return object_is_allocated(&gci_heap, *object);
}

/* As the program knows it; 0 for a counted object, whose type has a destroy function instead. */
static uintptr_t start_of(struct object object)
{
    const struct counted *counted = (const struct counted *)object.start; // NOLINT(performance-no-int-to-ptr)
    if (object.kind != KIND_HEADED)
        return object.start;
    return counted_state(counted) == COUNTED_TYPED ? object.start + COUNTED_HEADER_BYTES : 0;
}

static int add(struct object object, enum special_kind kind, uintptr_t first, uintptr_t second)
{
    critical_enter();
    bool added = gci_special_add(&gci_heap, object, kind, first, second);
    critical_leave();
    return added ? 0 : ENOMEM;
}

static int set_finalizer(void *block, enum special_kind kind, gca_finalizer finalizer, const void *data)
{
    struct object object;
    if (!find_living(block, &object) || start_of(object) != (uintptr_t)block)
        return EINVAL;
    gci_runner_offer();
    critical_enter();
    gci_special_remove(object.start, FINALIZERS, 0);
    critical_leave();
    return finalizer == NULL ? 0 : add(object, kind, (uintptr_t)finalizer, (uintptr_t)data);
}

GCA_API int gca_finalizer_set(void *object, gca_finalizer finalizer, void *data)
{
    return set_finalizer(object, SPECIAL_FINALIZER, finalizer, data);
}

GCA_API int gca_finalizer_set_unordered(void *object, gca_finalizer finalizer, void *data)
{
    return set_finalizer(object, SPECIAL_FINALIZER_UNORDERED, finalizer, data);
}

static void freeze(const struct cycle_scene *scene, void *data)
{
    (void)scene;
    *(int *)data = gci_sweep_freeze(&gci_heap) ? 0 : ENOMEM;
}

GCA_API int gca_freeze(void)
{
    int result = 0;
    const struct cycle_look look = {.look = freeze, .data = &result};
    return gci_cycle_look(&look) ? result : EAGAIN;
}

static void unfreeze(const struct cycle_scene *scene, void *data)
{
    (void)scene;
    (void)data;
    gci_sweep_unfreeze(&gci_heap);
}

GCA_API int gca_unfreeze(void)
{
    const struct cycle_look look = {.look = unfreeze};
    return gci_cycle_look(&look) ? 0 : EAGAIN;
}

GCA_API size_t gca_finalize_run(void)
{
    return gci_count_run_due();
}

/* A slot in a block: when the block goes, so does the link, as the place may become another's. */
static int add_holder(struct object holder, void **slot, struct object object)
{
    critical_enter();
    gci_special_remove(holder.start, UINT32_C(1) << SPECIAL_HOLDER, (uintptr_t)slot);
    critical_leave();
    return add(holder, SPECIAL_HOLDER, (uintptr_t)slot, object.start);
}

GCA_API int gca_weak_link(void **slot, void *address)
{
    struct object object;
    struct object holder;
    if (slot == NULL || (uintptr_t)slot % sizeof *slot != 0 || !find_living(address, &object))
        return EINVAL;
    gca_weak_unlink(slot);
    if (find_living(slot, &holder) && add_holder(holder, slot, object) != 0)
        return ENOMEM;
    return add(object, SPECIAL_LINK, (uintptr_t)slot, ~(uintptr_t)*slot);
}

/* The record stands with the object that the slot points into. */
GCA_API int gca_weak_unlink(void **slot)
{
    struct object object;
    if (slot == NULL || !find_living(*slot, &object))
        return ENOENT;
    critical_enter();
    unsigned count = gci_special_remove(object.start, UINT32_C(1) << SPECIAL_LINK, (uintptr_t)slot);
    critical_leave();
    return count != 0 ? 0 : ENOENT;
}

/* What the program knows as gca_ephemeron is struct ephemeron (heap/special/special.h), in memory that is not scanned. */
GCA_API gca_ephemeron *gca_ephemeron_new(void *key, void *value)
{
    struct object object;
    if (!find_living(key, &object)) {
        errno = EINVAL;
        return NULL;
    }
    struct ephemeron *ephemeron = alloc_fast(sizeof *ephemeron, KIND_ATOMIC);
    if (ephemeron == NULL)
        return family_no_memory();
    *ephemeron = (struct ephemeron){~(uintptr_t)key, ~(uintptr_t)value};
    struct object own = gci_resolve(&gci_heap, (uintptr_t)ephemeron);
    int failure = add(own, SPECIAL_EPHEMERON, object.start, 0);
    if (failure == 0)
        failure = add(object, SPECIAL_KEY, (uintptr_t)ephemeron, 0);
    if (failure != 0) {
        free_fast(ephemeron, "gca_ephemeron_new");
        return family_no_memory();
    }
    KEEP_ALIVE(key);
    KEEP_ALIVE(value);
    return (gca_ephemeron *)ephemeron;
}

/* No collection comes between the load and the pointer, which keeps the object from then on. */
static void *shown(const volatile uintptr_t *hidden)
{
    critical_enter_brief();
    uintptr_t word = *hidden;
    void *pointer = word == 0 ? NULL : (void *)~word; // NOLINT(performance-no-int-to-ptr)
    __asm__ volatile("" : "+r"(pointer));
    critical_leave_brief();
    return pointer;
}

GCA_API void *gca_ephemeron_key(const gca_ephemeron *ephemeron)
{
    return ephemeron == NULL ? NULL : shown(&((const struct ephemeron *)ephemeron)->hidden_key);
}

GCA_API void *gca_ephemeron_value(const gca_ephemeron *ephemeron)
{
    return ephemeron == NULL ? NULL : shown(&((const struct ephemeron *)ephemeron)->hidden_value);
}

GCA_API void *gca_malloc_typed(size_t bytes, const gca_layout *layout)
{
    if (!layout_is_sound(layout)) {
        errno = EINVAL;
        return NULL;
    }
    if (layout->count == 0 || bytes > PTRDIFF_MAX - COUNTED_HEADER_BYTES)
        return family_result(gci_alloc_zeroed(bytes, KIND_ATOMIC));
    struct counted *header = gci_alloc_zeroed(counted_slot_bytes(bytes), KIND_HEADED);
    if (header == NULL)
        return family_no_memory();
    word_store(&header->type_and_state, (uintptr_t)layout | (uint64_t)COUNTED_TYPED << COUNTED_STATE_SHIFT);
    return (char *)header + COUNTED_HEADER_BYTES;
}
