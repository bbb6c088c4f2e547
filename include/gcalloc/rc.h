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
 * length takes constant stack. Objects that only refer to each other are found by the collector and destroyed together: all
 * destroy functions run, in no particular order, then all memory goes; releases among such objects do nothing.
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

/* Whether the caller's reference is the only one, so that the object may be changed in place. */
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
