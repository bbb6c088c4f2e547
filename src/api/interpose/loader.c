/* SPDX-License-Identifier: MIT */
/* Which malloc libraries get.
 *
 * dlopen without RTLD_DEEPBIND: a library that is opened with it would take malloc and free from the C library instead of
 * from here, and each block that it hands over or takes would meet the wrong free. PHP opens its extensions so.
 *
 * Libraries that are known to hide pointers have malloc, calloc and realloc of their own: their blocks live until they free them.
 * fontconfig notes what belongs to a pattern or a set of characters by its distance, not by its address. Who opens a library
 * asks dlsym for what is in it before it can call anything there, so that is when those that came are looked at. Where the
 * program has brought a malloc of its own, which puts something in front of blocks or has other memory, these have that.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "api/family.h"
#include "api/init.h"
#include "api/interpose/real.h"
#include "api/programs/own_malloc.h"
#include "base/options.h"
#include "collect/cycle.h"
#include "platform/context.h"
#include "platform/env.h"
#include "platform/image.h"

#define HIDING_LIBRARY "libfontconfig.so"

const char gci_loader_link = 1; /* see api/malloc.c */

/* Where the program's malloc puts something in front of blocks of ours, hiding libraries have such as would be collected. */
static COLD void end_collections(void)
{
    static volatile u32_shared have_ended;
    if (u32_exchange(&have_ended, 1) != 0)
        return;
    gci_cycle_disable();
    if (gci_options.verbose)
        gci_env_report_string(
            "fontconfig is known to hide pointers, and has the program's malloc: nothing is collected");
}

/* Else what is allocated here would meet a free that does not know it. */
static bool may_keep(void)
{
    enum own_malloc kind = gci_own_malloc_kind();
    if (UNLIKELY(kind == OWN_HEADED))
        end_collections();
    return LIKELY(kind == OWN_NONE || kind == OWN_PASSES_ON);
}

static void *keep_malloc(size_t bytes)
{
    return may_keep() ? alloc_fast(bytes, KIND_UNCOLLECTABLE) : malloc(bytes);
}

static void *keep_calloc(size_t count, size_t bytes)
{
    size_t total;
    if (!may_keep())
        return calloc(count, bytes);
    return family_result(multiply_sizes(count, bytes, &total) ? gci_alloc_zeroed(total, KIND_UNCOLLECTABLE) : NULL);
}

/* A block that moves stays of its kind. */
static void *keep_realloc(void *block, size_t bytes)
{
    if (!may_keep())
        return realloc(block, bytes);
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
    if (!gci_init_has_started())
        return; /* too early, or a program in which nothing is ours */
    gci_image_replace_imports(HIDING_LIBRARY, imports, sizeof imports / sizeof imports[0], &seen);
}

/* After those of init.c and of real.h; what it finds is used by main at the earliest. */
__attribute__((constructor(103))) static void look_at_start(void)
{
    gci_own_malloc_tell();
    look_for_hiding();
}

/* Both functions end in jumps: the loader tells by the return address who asks, searches the asker's own path, and begins after
 * the asker for RTLD_NEXT. These say where to, and are called by the assembler's lines alone. */
void *gci_loader_choose_dlopen(uintptr_t arguments[2]) HIDDEN __attribute__((used));
void *gci_loader_choose_dlsym(uintptr_t arguments[2]) HIDDEN __attribute__((used));

void *gci_loader_choose_dlopen(uintptr_t arguments[2])
{
    static void *next;
    void *found = __atomic_load_n(&next, __ATOMIC_RELAXED);
    if (UNLIKELY(found == NULL)) {
        found = dlsym(RTLD_NEXT, "dlopen");
        __atomic_store_n(&next, found, __ATOMIC_RELAXED);
    }
    arguments[1] &= ~(uintptr_t)RTLD_DEEPBIND;
    return found;
}

/* The version that dlsym has had in every glibc. Asked for by it, as dlsym by name is ours. */
void *gci_loader_choose_dlsym(uintptr_t arguments[2])
{
    static void *next;
    void *found = __atomic_load_n(&next, __ATOMIC_RELAXED);
    (void)arguments;
    if (UNLIKELY(found == NULL)) {
        found = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
        __atomic_store_n(&next, found, __ATOMIC_RELAXED);
    }
    look_for_hiding();
    return found;
}

CONTEXT_FORWARD(gci_loader_choose_dlopen, EXPORT void *, dlopen, const char *, int)
CONTEXT_FORWARD(gci_loader_choose_dlsym, EXPORT void *, dlsym, void *restrict, const char *restrict)
