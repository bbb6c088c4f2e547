/* SPDX-License-Identifier: MIT */
/* Implementation of own_malloc.h. malloc, free, realloc and aligned_alloc are here whatever the process has under these names.
 *
 * Addresses tell whether malloc is ours, all but those of executables that are not position-independent: there functions have
 * an address in the executable, where the loader's table names what is only wanted.
 */
#include "api/programs/own_malloc.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>

#include "alloc/alloc.h"
#include "base/bits.h"
#include "base/options.h"
#include "heap/resolve.h"
#include "platform/env.h"

static bool is_definition(void (*function)(void))
{
    Dl_info info;
    void *address, *found = NULL;
    __builtin_memcpy(&address, &function, sizeof address);
    if (dladdr1(address, &info, &found, RTLD_DL_SYMENT) == 0 || found == NULL)
        return true; /* chosen at run time: no function of the name */
    const ElfW(Sym) *symbol = found;
    return symbol->st_shndx != SHN_UNDEF;
}

/* To a compiler two functions of different names are two functions. */
static bool is_replaced(void (*called)(void), void (*here)(void))
{
    __asm__("" : "+r"(called));
    return called != here && is_definition(called);
}

static void free_elsewhere(void *block)
{
    free(block);
}

static bool is_there;

/* A program that brings malloc and no free has no use for the rest either. */
void gci_own_malloc_look(void)
{
    is_there = is_replaced((void (*)(void))malloc, (void (*)(void))gci_malloc_here) &&
               is_replaced((void (*)(void))free, (void (*)(void))gci_free_here);
    if (!is_there)
        return;
    gci_free_elsewhere = free_elsewhere;
}

void gci_own_malloc_tell(void)
{
    bool is_asked = gci_options.mode == MODE_LEAKS || gci_options.profile != 0;
    if (is_there && (gci_options.verbose || is_asked))
        gci_env_report_string("this program has a malloc of its own, which it goes on to use");
}

bool gci_own_malloc_is_there(void)
{
    return is_there;
}

static enum own_malloc find_kind(void)
{
    void *block = malloc(1); /* with no header in front does it end where a block does */
    uintptr_t address = (uintptr_t)block;
    struct object object = gci_resolve(&gci_heap, address);
    free(block);
    if (block == NULL)
        return OWN_NONE; /* no memory: who asks next asks again */
    if (!heap_contains(&gci_heap, address))
        return OWN_ELSEWHERE;
    return object.start == address ? OWN_PASSES_ON : OWN_HEADED;
}

enum own_malloc gci_own_malloc_kind(void)
{
    static volatile u32_shared kind; /* OWN_NONE: not asked yet. Whoever asks finds the same */
    if (!is_there)
        return OWN_NONE;
    if (u32_load(&kind) == OWN_NONE)
        u32_store(&kind, find_kind());
    return (enum own_malloc)u32_load(&kind);
}

/* As the C++ library asks: not for nothing, and for whole multiples of an alignment. */
void *gci_own_malloc_new(size_t bytes, size_t alignment)
{
    size_t asked = bytes == 0 ? 1 : bytes;
    if (alignment == 0)
        return malloc(asked);
    size_t whole = align_up(asked, alignment); /* 0 where there is no such number */
    return whole == 0 ? NULL : aligned_alloc(alignment, whole);
}

void *gci_own_malloc_resize(void *block, size_t bytes)
{
    return realloc(block, bytes);
}

size_t gci_own_malloc_usable(const void *block)
{
    struct object object = gci_resolve(&gci_heap, (uintptr_t)block);
    return object.unit == 0 ? 0 : object.start + object.bytes - (uintptr_t)block;
}
