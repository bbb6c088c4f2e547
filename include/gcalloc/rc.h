/* SPDX-License-Identifier: MIT */
/* Reference counts for C: objects that are freed the moment their last reference goes, with the collector behind them for
 * what counts cannot see (cycles, references that were forgotten).
 *
 *   static void text_destroy(void *object) { struct text *text = object; gca_clear(&text->next); }
 *   static const gca_type text_type = {.name = "text", .destroy = text_destroy};
 *   struct text *text = gca_rc_new(sizeof *text, &text_type);   count 1
 *   gca_set(&list->first, text);                                retains text, releases what was there
 *   gca_release(text);
 *
 * Counts are biased: the thread that made an object counts without atomic instructions, other threads with them
 * (Choi, Shull, Torrellas: Biased Reference Counting, PACT 2018). When another thread releases the last reference while
 * the maker still has counts of its own, the maker frees the object at its next gca_rc_new, gca_finalize_run or
 * gca_collect, or when it ends.
 *
 * Destroy functions run exactly once, with no lock of the library held: they may allocate, retain, release, collect and
 * start threads. They never nest: what a destroy function releases last is destroyed after it returns, so a list of any
 * length takes constant stack. One call destroys a thousand objects at most; the rest follows, as much each time, when the
 * thread makes another counted object or releases one, and all of it in gca_finalize_run, gca_collect or at the thread's end.
 * Objects that only refer to each other are found by the collector and destroyed together: all destroy functions run, in no
 * particular order, then all memory goes; releases among such objects do nothing, and none of them may be retained any more
 * (weak references to them load NULL). That, and finalizers, go in the same steps, in the next gca_rc_new of any thread, and all
 * of it in gca_finalize_run and gca_collect.
 *
 * Thread safety: every function may be called from any thread, not from signal handlers. A gca_weak_t is, like any variable,
 * used by one thread at a time. Misuse (a pointer that is no counted object, one release too many, a retain of a dying
 * object) prints one line and aborts, where it is seen.
 */
#ifndef GCALLOC_RC_H
#define GCALLOC_RC_H

#include <gcalloc.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What objects of one kind have in common. Zero members are allowed. It must outlive the objects. */
typedef struct {
    const char *name;              /* for reports */
    void (*destroy)(void *object); /* releases what the object refers to; the memory is freed after it */
    const gca_layout *layout;      /* NULL: any word may be a pointer */
} gca_type;

/* A zero-filled object with count 1; NULL with ENOMEM. `type` may be NULL. The address is aligned to 16. It is not to be
 * passed to free or realloc. */
GCA_API void *gca_rc_new(size_t bytes, const gca_type *type) GCA_ATTR_MALLOC GCA_ATTR_SIZE(1);

/* One reference more; returns its argument. NULL is allowed. */
GCA_API void *gca_retain(void *object);

/* One reference less; the last one destroys. NULL is allowed; errno is kept. */
GCA_API void gca_release(void *object);

/* The number of references; only a hint while other threads change it. SIZE_MAX for an immortal object, 0 for a dying one
 * and for NULL. */
GCA_API size_t gca_rc_count(const void *object);

/* Whether the caller's reference is known to be the only one, so that the object may be changed in place. It may not be known on
 * a thread that did not make the object, while that one still counts. Weak references are none: one may be loaded meanwhile. */
GCA_API bool gca_rc_is_unique(const void *object);

/* From now on retain and release do nothing; the object stays for the life of the process. */
GCA_API void gca_rc_make_immortal(void *object);

/* The type it was made with; NULL for NULL. */
GCA_API const gca_type *gca_rc_type(const void *object);

/* A reference that does not keep its object. The variable may lie anywhere that the collector sees (not in memory of
 * gca_malloc_atomic). */
typedef struct {
    void *entry; /* private */
} gca_weak_t;

/* Refers to `object`, which the caller holds, or to nothing (NULL). 0, or ENOMEM with the reference empty. What the variable
 * held before is not looked at. */
GCA_API int gca_weak_init(gca_weak_t *weak, void *object);

/* A retained reference, or NULL once the last reference is gone. Never a dying object. */
GCA_API void *gca_weak_get(gca_weak_t *weak) GCA_ATTR_RESULT;

/* Refers to nothing from here on. */
GCA_API void gca_weak_clear(gca_weak_t *weak);

/* ---- The owner's steps, without a call ------------------------------------------------------------------------------
 * Not part of the interface but of the ABI: the layout is the library's (src/heap/special/counted.h), which says what it means
 * and checks that both agree. Everything but the plain step of the thread that made the object is left to the functions above,
 * which GCA_NO_INLINE takes throughout.
 */
GCA_API void gca_retain_end_(void *object);
GCA_API void gca_release_end_(void *object, uint32_t shared);

#if defined(__GNUC__) && defined(__OPTIMIZE__) && !defined(GCA_NO_INLINE)
#define GCA_INLINE_ extern __inline__ __attribute__((__gnu_inline__, __always_inline__, __artificial__))

#define GCA_ATTR_TLS_ __attribute__((tls_model("initial-exec")))
struct gca_rc_self_ {
    uintptr_t busy_;
    uint32_t owner_;
};
GCA_API extern __thread struct gca_rc_self_ gca_rc_self_ GCA_ATTR_TLS_;
#define GCA_RC_SHARED_ONE_ 16u
extern void *gca_retain_call_(void *) __asm__("gca_retain");
extern void gca_release_call_(void *) __asm__("gca_release");

struct gca_rc_header_ {
    uint16_t type_[3];
    uint16_t owner_;
    uint16_t taken_;
    uint16_t given_;
    uint32_t shared_;
};

GCA_INLINE_ struct gca_rc_header_ *gca_rc_header_of_(void *object)
{
    uintptr_t address = (uintptr_t)object; /* may be 0, from which no pointer counts down */
    __asm__("" : "+r"(address));           /* it lies in front of what the compiler knows of */
    return (struct gca_rc_header_ *)(address - sizeof(struct gca_rc_header_));
}

GCA_INLINE_ int gca_rc_is_own_(const struct gca_rc_header_ *header)
{
    return __atomic_load_n(&header->owner_, __ATOMIC_RELAXED) == gca_rc_self_.owner_;
}

/* An object that several threads count: nothing of it is loaded before. */
GCA_INLINE_ int gca_rc_is_busy_(const void *object)
{
    return (uintptr_t)object == __atomic_load_n(&gca_rc_self_.busy_, __ATOMIC_RELAXED);
}

/* One more in `count`, which does not reach `end`; false: it would. */
GCA_INLINE_ int gca_rc_step_(uint16_t *count, uint16_t end)
{
    uint16_t more = (uint16_t)(__atomic_load_n(count, __ATOMIC_RELAXED) + 1);
    if (__builtin_expect(more == end, 0))
        return 0;
    __atomic_store_n(count, more, __ATOMIC_RELAXED);
    return 1;
}

GCA_INLINE_ void *gca_retain(void *object)
{
    struct gca_rc_header_ *header = gca_rc_header_of_(object);
    if (object == NULL)
        return NULL;
    if (__builtin_expect(gca_rc_is_busy_(object), 0)) {
        uint32_t before = __atomic_fetch_add(&header->shared_, GCA_RC_SHARED_ONE_, __ATOMIC_SEQ_CST);
        if (__builtin_expect((int32_t)before > INT32_MAX / 2, 0))
            gca_retain_end_(object);
        return object;
    }
    if (__builtin_expect(gca_rc_is_own_(header), 1) && gca_rc_step_(&header->taken_, 0))
        return object;
    return gca_retain_call_(object);
}

GCA_INLINE_ void gca_release(void *object)
{
    struct gca_rc_header_ *header = gca_rc_header_of_(object);
    if (object == NULL)
        return;
    if (__builtin_expect(gca_rc_is_busy_(object), 0)) {
        uint32_t shared = __atomic_sub_fetch(&header->shared_, GCA_RC_SHARED_ONE_, __ATOMIC_SEQ_CST);
        if (__builtin_expect((int32_t)shared < (int32_t)GCA_RC_SHARED_ONE_, 0))
            gca_release_end_(object, shared);
        return;
    }
    if (__builtin_expect(gca_rc_is_own_(header), 1) &&
        gca_rc_step_(&header->given_, __atomic_load_n(&header->taken_, __ATOMIC_RELAXED)))
        return;
    gca_release_call_(object);
}
#endif

/* ---- Fields and variables ------------------------------------------------------------------------------------------- */

/* The pointer at `field` becomes `object`, retained; what was there is released. For the macros below. */
GCA_API void gca_set_field(void *field, void *object);
GCA_API void *gca_steal_field(void *field);

/* *(field) = object, with the counts kept right: gca_set(&node->next, other). Not atomic. */
#define gca_set(field, object) ((void)(sizeof(*(field) = (object))), gca_set_field((field), (object)))

/* The reference moves out: returns *(variable) and leaves NULL there. */
#define gca_steal(variable) (gca_steal_field(variable))

/* Releases *(variable) and leaves NULL there. */
#define gca_clear(variable) (gca_set_field((variable), NULL))

/* GCA_AUTO(struct text) text = gca_rc_new(...);  released when the variable goes out of scope. */
#if defined(__GNUC__)
static inline void gca_auto_release_(void *variable)
{
    gca_set_field(variable, NULL);
}
#define GCA_AUTO(T) __attribute__((cleanup(gca_auto_release_))) T *
#endif

#ifdef __cplusplus
}
#endif
#endif
