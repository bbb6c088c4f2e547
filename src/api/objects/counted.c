/* SPDX-License-Identifier: MIT */
/* The functions of gcalloc/rc.h. */
#define GCA_NO_INLINE
#include <gcalloc/rc.h>

#include "alloc/counts/count.h"
#include "alloc/counts/weak.h"
#include "api/family.h"
#include "api/init.h"
#include "api/objects/layout.h"

STATIC_ASSERT(sizeof(gca_type) == sizeof(struct counted_type) &&
                  offsetof(gca_type, layout) == offsetof(struct counted_type, layout),
              "one and the same");

/* The layout that was found sound last: programs make many objects of one type. */
static __thread const gca_layout *sound TLS_INITIAL_EXEC;

static NOINLINE void *new_slow(size_t bytes, const struct counted_type *type)
{
    const gca_layout *layout = type == NULL ? NULL : (const gca_layout *)type->layout;
    if (layout != NULL && layout != sound && !layout_is_sound(layout)) {
        errno = EINVAL;
        return NULL;
    }
    sound = layout;
    gci_runner_offer();
    return family_result(gci_count_new(bytes, type));
}

GCA_API READS_OTHERS_BITS void *gca_rc_new(size_t bytes, const gca_type *type)
{
    if (type != NULL && type->layout != NULL && UNLIKELY(type->layout != sound))
        return new_slow(bytes, (const struct counted_type *)type);
    return count_new(bytes, (const struct counted_type *)type, new_slow);
}

GCA_API void *gca_retain(void *object)
{
    if (LIKELY(object != NULL))
        count_retain(object);
    return object;
}

GCA_API void gca_release(void *object)
{
    if (LIKELY(object != NULL))
        count_release(object);
}

/* For the inline steps of gcalloc/rc.h. */
GCA_API void gca_retain_end_(void *object)
{
    gci_count_retain_end(counted_perhaps(object));
}

GCA_API void gca_release_end_(void *object, uint32_t shared)
{
    gci_count_release_end(counted_perhaps(object), shared);
}

GCA_API size_t gca_rc_count(const void *object)
{
    if (object == NULL)
        return 0;
    const struct counted *counted = counted_of(object, "gca_rc_count");
    uint32_t state = counted_state(counted);
    if (state == COUNTED_IMMORTAL)
        return SIZE_MAX;
    if (state >= COUNTED_OWNERS_END)
        return 0;
    int64_t count = (int64_t)counted_local(counted) + shared_count(u32_load(&counted->shared));
    return count > 0 ? (size_t)count : 0;
}

/* The sum that gca_rc_count forms may be of two moments. The owner knows its own part, and where everything is merged there is
 * only one: if that says 1, the reference is the caller's, and there is nobody to change it. */
GCA_API bool gca_rc_is_unique(const void *object)
{
    if (object == NULL)
        return false;
    const struct counted *counted = counted_of(object, "gca_rc_is_unique");
    uint32_t state = counted_state(counted);
    uint32_t shared = u32_load_acquire(&counted->shared);
    if (state >= COUNTED_OWNERS_END)
        return false;
    if (state == gci_count_self.owner)
        return counted_local(counted) + shared_count(shared) == 1;
    return (shared & SHARED_MERGED) != 0 && shared_count(shared) == 1;
}

GCA_API void gca_rc_make_immortal(void *object)
{
    if (object != NULL)
        gci_count_make_immortal(counted_of(object, "gca_rc_make_immortal"));
}

GCA_API const gca_type *gca_rc_type(const void *object)
{
    if (object == NULL)
        return NULL;
    return (const gca_type *)counted_type(counted_of(object, "gca_rc_type"));
}

/* Of an object that is going, nothing is what there is to refer to. */
GCA_API int gca_weak_init(gca_weak_t *weak, void *object)
{
    weak->entry = NULL;
    if (object == NULL)
        return 0;
    struct counted *counted = counted_of(object, "gca_weak_init");
    if (counted_state(counted) >= COUNTED_OWNERS_END && counted_state(counted) != COUNTED_IMMORTAL)
        return 0;
    weak->entry = gci_weak_entry(counted);
    return weak->entry == NULL ? ENOMEM : 0;
}

GCA_API void *gca_weak_get(gca_weak_t *weak)
{
    return weak->entry == NULL ? NULL : gci_count_weak_get(weak->entry);
}

GCA_API void gca_weak_clear(gca_weak_t *weak)
{
    weak->entry = NULL;
}

/* Retains first: the object may be the one that is there. */
GCA_API void gca_set_field(void *field, void *object)
{
    void **place = field;
    void *before = *place;
    *place = gca_retain(object);
    gca_release(before);
}

GCA_API void *gca_steal_field(void *field)
{
    void **place = field;
    void *object = *place;
    *place = NULL;
    return object;
}
