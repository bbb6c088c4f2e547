/* SPDX-License-Identifier: MIT */
/* Which malloc libraries get.
 *
 * dlopen without RTLD_DEEPBIND: a library that is opened with it would take malloc and free from the C library instead of
 * from here, and each block that it hands over or takes would meet the wrong free. PHP opens its extensions so.
 *
 * Libraries that are known to hide pointers have malloc, calloc and realloc of their own: their blocks live until they free them.
 * fontconfig notes what belongs to a pattern or a set of characters by its distance, not by its address. Who opens a library
 * asks dlsym for what is in it before it can call anything there, so that is when those that came are looked at.
 */
#include <dlfcn.h>

#include "api/family.h"
#include "api/interpose/real.h"
#include "platform/image.h"

#define HIDING_LIBRARY "libfontconfig.so"

const char gci_loader_link = 1; /* see api/malloc.c */

static void *keep_malloc(size_t bytes)
{
    return family_allocate(bytes, KIND_UNCOLLECTABLE);
}

static void *keep_calloc(size_t count, size_t bytes)
{
    size_t total;
    return family_result(multiply_sizes(count, bytes, &total) ? gci_alloc_zeroed(total, KIND_UNCOLLECTABLE) : NULL);
}

/* A block that moves stays of its kind. */
static void *keep_realloc(void *block, size_t bytes)
{
    return block == NULL ? keep_malloc(bytes) : family_realloc(block, bytes, false, "realloc");
}

#define IMPORT(name, function)                                                                                         \
    {                                                                                                                  \
        name, (void (*)(void))(function)                                                                               \
    }

static void look_for_hiding(void)
{
    static uint64_t seen;
    static const struct import imports[] = {IMPORT("malloc", keep_malloc), IMPORT("calloc", keep_calloc),
                                            IMPORT("realloc", keep_realloc)};
    gci_image_replace_imports(HIDING_LIBRARY, imports, sizeof imports / sizeof imports[0], &seen);
}

/* After those of init.c and of real.h; what it finds is used by main at the earliest. */
__attribute__((constructor(103))) static void look_at_start(void)
{
    look_for_hiding();
}

DECLARE_NEXT(dlopen)

/* The call is the last thing done, so it is a jump: the loader tells by the return address who asks, and searches the
 * asker's own path. */
EXPORT void *dlopen(const char *file, int mode)
{
    __typeof__(&dlopen) next = next_dlopen();
    return next != NULL ? next(file, mode & ~RTLD_DEEPBIND) : NULL;
}

/* The version that dlsym has had in every glibc. Asked for by it, as dlsym by name is ours. */
static __typeof__(&dlsym) next_dlsym(void)
{
    static __typeof__(&dlsym) next;
    __typeof__(&dlsym) found = __atomic_load_n(&next, __ATOMIC_RELAXED);
    if (UNLIKELY(found == NULL)) {
        void *symbol = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
        __builtin_memcpy(&found, &symbol, sizeof found);
        __atomic_store_n(&next, found, __ATOMIC_RELAXED);
    }
    return found;
}

/* A jump as well: RTLD_NEXT is relative to who asks. */
EXPORT void *dlsym(void *library, const char *name)
{
    __typeof__(&dlsym) next = next_dlsym();
    look_for_hiding();
    return next != NULL ? next(library, name) : NULL;
}
