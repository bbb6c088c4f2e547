/* SPDX-License-Identifier: MIT */
/* The gca_ functions of gcalloc.h: check arguments, delegate, set errno. */
#include <gcalloc.h>

#include <errno.h>
#include <string.h>

#include "alloc/counts/count.h"
#include "alloc/retire.h"
#include "api/family.h"
#include "api/init.h"
#include "collect/cycle.h"
#include "heap/resolve.h"
#include "world/critical.h"
#include "world/roots.h"
#include "world/thread.h"

#define TEXT_OF(x) #x
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

GCA_API const char *gca_version(void)
{
    return VERSION_TEXT(GCA_VERSION_MAJOR, GCA_VERSION_MINOR, GCA_VERSION_PATCH);
}

extern __typeof__(gca_version) gci_init_own_version __attribute__((alias("gca_version"))) HIDDEN;

GCA_API void *gca_malloc(size_t bytes)
{
    return family_result(gci_alloc_zeroed(bytes, KIND_SCANNED));
}

GCA_API void *gca_malloc_atomic(size_t bytes)
{
    return alloc_fast(bytes, KIND_ATOMIC);
}

GCA_API void *gca_malloc_uncollectable(size_t bytes)
{
    return family_result(gci_alloc_zeroed(bytes, KIND_UNCOLLECTABLE));
}

GCA_API void *gca_calloc(size_t count, size_t bytes)
{
    size_t total;
    return family_result(multiply_sizes(count, bytes, &total) ? gci_alloc_zeroed(total, KIND_SCANNED) : NULL);
}

GCA_API void *gca_malloc_atomic_array(size_t count, size_t bytes)
{
    size_t total;
    return family_result(multiply_sizes(count, bytes, &total) ? alloc_fast(total, KIND_ATOMIC) : NULL);
}

static void *reallocate(void *block, size_t bytes, const char *function)
{
    if (block == NULL)
        return gca_malloc(bytes);
    struct object object = gci_resolve(&gci_heap, (uintptr_t)block);
    return family_realloc(block, bytes, object.unit != 0 && object.kind != KIND_ATOMIC, function);
}

GCA_API void *gca_realloc(void *block, size_t bytes)
{
    return reallocate(block, bytes, "gca_realloc");
}

GCA_API void *gca_reallocarray(void *block, size_t count, size_t bytes)
{
    size_t total;
    return multiply_sizes(count, bytes, &total) ? reallocate(block, total, "gca_reallocarray") : family_no_memory();
}

GCA_API void *gca_aligned_alloc(size_t alignment, size_t bytes)
{
    return family_aligned_alloc(alignment, bytes);
}

GCA_API char *gca_strndup(const char *text, size_t limit)
{
    size_t length = strnlen(text, limit);
    char *copy = family_result(length == SIZE_MAX ? NULL : alloc_fast(length + 1, KIND_ATOMIC));
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

GCA_API char *gca_strdup(const char *text)
{
    return gca_strndup(text, SIZE_MAX - 1);
}

GCA_API void gca_free(void *block)
{
    free_fast(block, "gca_free");
}

GCA_API size_t gca_usable_size(const void *block)
{
    return block == NULL ? 0 : gci_usable_bytes(block, "gca_usable_size");
}

GCA_API void *gca_base(const void *address)
{
    struct object object = gci_resolve(&gci_heap, (uintptr_t)address);
    bool is_inside = (uintptr_t)address - object.start < object.bytes;
    if (!object_is_allocated(&gci_heap, object) || !is_inside)
        return NULL;
    size_t header_bytes = object.kind == KIND_HEADED ? COUNTED_HEADER_BYTES : 0;
    return (void *)(object.start + header_bytes); // NOLINT(performance-no-int-to-ptr)
}

/* The question must not be its own answer: only the complement of the address goes on the stack. */
GCA_API bool gca_is_reachable(const void *address)
{
    uintptr_t hidden = ~(uintptr_t)address;
    address = NULL;
    __asm__ volatile("" : "+r"(hidden), "+r"(address));
    return gci_cycle_is_reachable(hidden);
}

GCA_API size_t gca_collect(void)
{
    gci_runner_offer();
    size_t freed = gci_cycle_run(REASON_REQUEST);
    gci_count_run_errands();
    return freed;
}

GCA_API bool gca_collect_a_little(void)
{
    return gci_cycle_run_a_little();
}

GCA_API void gca_enable(void)
{
    gci_cycle_enable();
}

GCA_API void gca_disable(void)
{
    gci_cycle_disable();
}

static int change_roots(int (*change)(struct range), const void *lo, const void *hi)
{
    if (!gci_alloc_is_ready())
        return ENOMEM;
    critical_enter();
    int result = change((struct range){(uintptr_t)lo, (uintptr_t)hi});
    critical_leave();
    return result;
}

GCA_API int gca_roots_add(const void *lo, const void *hi)
{
    return change_roots(gci_roots_add_range, lo, hi);
}

GCA_API int gca_roots_remove(const void *lo, const void *hi)
{
    return change_roots(gci_roots_remove_range, lo, hi);
}

GCA_API int gca_roots_exclude(const void *lo, const void *hi)
{
    return change_roots(gci_roots_exclude_range, lo, hi);
}

GCA_API int gca_thread_register(void)
{
    return gci_alloc_attach_thread() ? 0 : ENOMEM;
}

GCA_API int gca_thread_unregister(void)
{
    return gci_retire_for_now() ? 0 : ESRCH;
}

GCA_API void gca_on_oom(gca_oom_fn callback)
{
    gci_alloc_on_oom(callback);
}
