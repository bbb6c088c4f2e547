/* SPDX-License-Identifier: MIT */
/* Implementation of own_malloc.h. malloc, free, realloc and aligned_alloc are here whatever the process has under these names.
 *
 * Addresses tell whether malloc is ours, all but those of executables that are not position-independent: there functions have
 * an address in the executable, where the loader's table names what is only wanted. Then a library in front of this one is looked
 * for in the loader's list.
 */
#include "api/programs/own_malloc.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>

#include "alloc/alloc.h"
#include "base/bits.h"
#include "base/options.h"
#include "base/text.h"
#include "heap/resolve.h"
#include "platform/env.h"

/* The loader's tables of one library. */
struct names {
    const ElfW(Sym) *symbols;
    const char *strings;
    const uint32_t *hashes; /* DT_GNU_HASH */
};

static struct names names_of(const struct link_map *library)
{
    struct names names = {NULL, NULL, NULL};
    for (const ElfW(Dyn) *entry = library->l_ld; entry->d_tag != DT_NULL; entry++) {
        uintptr_t value = entry->d_un.d_ptr;
        if (value < library->l_addr) /* the loader leaves the system's own as it is */
            value += library->l_addr;
        if (entry->d_tag == DT_SYMTAB)
            names.symbols = (const void *)value; // NOLINT(performance-no-int-to-ptr)
        else if (entry->d_tag == DT_STRTAB)
            names.strings = (const void *)value; // NOLINT(performance-no-int-to-ptr)
        else if (entry->d_tag == DT_GNU_HASH)
            names.hashes = (const void *)value; // NOLINT(performance-no-int-to-ptr)
    }
    return names;
}

/* As DT_GNU_HASH is defined. */
#define HASH_START 5381u
#define HASH_FACTOR 33u

static uint32_t hash_of(const char *name)
{
    uint32_t hash = HASH_START;
    for (; *name != '\0'; name++)
        hash = hash * HASH_FACTOR + (unsigned char)*name;
    return hash;
}

static bool are_equal(const char *one, const char *other)
{
    return gci_text_starts_with(one, other) && gci_text_starts_with(other, one);
}

/* Number of buckets, first symbol that is here, words of the filter, of 8 bytes each, and its shift. Then the filter, the
 * buckets, and for each symbol its hash, in which the lowest bit ends a bucket. */
enum { BUCKETS, FIRST_SYMBOL, FILTER_WORDS, FILTER_SHIFT, HASHES_HEAD };

static bool defines(const struct link_map *library, const char *name)
{
    struct names names = names_of(library);
    uint32_t hash = hash_of(name);
    if (names.symbols == NULL || names.strings == NULL || names.hashes == NULL || names.hashes[BUCKETS] == 0)
        return false;
    const uint32_t *buckets = names.hashes + HASHES_HEAD + 2 * (size_t)names.hashes[FILTER_WORDS];
    const uint32_t *hashes = buckets + names.hashes[BUCKETS];
    uint32_t at = buckets[hash % names.hashes[BUCKETS]];
    bool is_last = at < names.hashes[FIRST_SYMBOL];
    for (; !is_last; at++) {
        uint32_t found = hashes[at - names.hashes[FIRST_SYMBOL]];
        const ElfW(Sym) *symbol = &names.symbols[at];
        if ((found | 1) == (hash | 1) && symbol->st_shndx != SHN_UNDEF &&
            are_equal(names.strings + symbol->st_name, name))
            return true;
        is_last = (found & 1) != 0;
    }
    return false;
}

/* One of the libraries that lie between the program and this one: they come before us. */
static bool is_defined_before(void (*here)(void), const struct link_map *program, const char *name)
{
    Dl_info info;
    void *address, *own = NULL;
    __builtin_memcpy(&address, &here, sizeof address);
    if (dladdr1(address, &info, &own, RTLD_DL_LINKMAP) == 0)
        return false;
    const struct link_map *library = program->l_next;
    while (library != NULL && library != own && !defines(library, name))
        library = library->l_next;
    return library != NULL && library != own;
}

static bool is_replaced(void (*called)(void), void (*here)(void), const char *name)
{
    Dl_info info;
    void *address, *found = NULL, *library = NULL;
    __asm__("" : "+r"(called)); /* to a compiler two functions of different names are two functions */
    if (called == here)
        return false;
    __builtin_memcpy(&address, &called, sizeof address);
    if (dladdr1(address, &info, &found, RTLD_DL_SYMENT) == 0 || found == NULL)
        return true; /* chosen at run time: no function of the name */
    const ElfW(Sym) *symbol = found;
    return symbol->st_shndx != SHN_UNDEF ||
           (dladdr1(address, &info, &library, RTLD_DL_LINKMAP) != 0 && is_defined_before(here, library, name));
}

static void free_elsewhere(void *block)
{
    free(block);
}

static bool is_there;

/* A program that brings malloc and no free has no use for the rest either. */
void gci_own_malloc_look(void)
{
    is_there = is_replaced((void (*)(void))malloc, (void (*)(void))gci_malloc_here, "malloc") &&
               is_replaced((void (*)(void))free, (void (*)(void))gci_free_here, "free");
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
