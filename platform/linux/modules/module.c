/* SPDX-License-Identifier: MIT */
/* The part of platform/image.h that knows modules, from the loader's tables.
 *
 * dl_iterate_phdr(3) tells of all modules, but under a lock that a thread may hold while it allocates: it is asked once, at
 * start, and what it tells of modules that never go is kept. For what came later there is _dl_find_object(3), without locks,
 * since glibc 2.35. With an older one later modules are not found.
 *
 * A module that was closed may be followed by another at the same addresses, whose link_map lies where that of the first
 * did. So the identity also holds what the head of .eh_frame_hdr and its last entry say: how many functions there are,
 * where the last one starts, and how long the tables of all others are. Two versions of one library may have all of that in
 * common: who caches what depends on more should hear of dlclose(3), too.
 */
#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#include "base/bits.h"
#include "platform/image.h"

/* More are found through _dl_find_object, as if they might go. */
#define KEPT_MAX 256
static struct module kept[KEPT_MAX];
static size_t kept_count;

/* Fills in what the program headers tell. False where nothing is mapped. */
static bool describe(uintptr_t bias, const ElfW(Phdr) *headers, size_t count, struct module *module)
{
    *module = (struct module){.range = {UINTPTR_MAX, 0}};
    for (size_t i = 0; i < count; i++) {
        uintptr_t lo = bias + headers[i].p_vaddr;
        if (headers[i].p_type == PT_GNU_EH_FRAME)
            module->unwind_table = lo;
        if (headers[i].p_type != PT_LOAD)
            continue;
        if (module->range.lo > lo)
            module->range.lo = lo;
        if (module->range.hi < lo + headers[i].p_memsz)
            module->range.hi = lo + headers[i].p_memsz;
    }
    for (size_t i = 0; i < count; i++) {
        struct range segment = {bias + headers[i].p_vaddr, bias + headers[i].p_vaddr + headers[i].p_filesz};
        if (headers[i].p_type == PT_LOAD && (headers[i].p_flags & PF_R) != 0 &&
            range_contains(segment, module->unwind_table))
            module->tables = segment;
    }
    if (range_bytes(module->tables) == 0)
        module->unwind_table = 0;
    return range_bytes(module->range) != 0;
}

static const struct module *find_kept(uintptr_t address)
{
    for (size_t i = 0; i < kept_count; i++)
        if (range_contains(kept[i].range, address))
            return &kept[i];
    return NULL;
}

#if defined(DLFO_EH_SEGMENT_TYPE)
#pragma weak _dl_find_object

static uint64_t fold(uint64_t sum, uint64_t value)
{
    return ((sum << 29 | sum >> 35) ^ value) * GOLDEN_ODD;
}

/* The head of .eh_frame_hdr: three words, the last the number of pairs that follow, two words each. */
#define HEAD_BYTES 12
#define PAIR_BYTES 8

static uint64_t fold_tables(uint64_t sum, const struct module *module)
{
    uint64_t words[2] = {0};
    size_t bytes = module->tables.hi - module->unwind_table;
    if (module->unwind_table == 0 || bytes < HEAD_BYTES + PAIR_BYTES)
        return sum;
    memcpy(words, (const void *)module->unwind_table, HEAD_BYTES); // NOLINT(performance-no-int-to-ptr)
    sum = fold(fold(sum, words[0]), words[1]);
    uint64_t pairs = words[1];
    if (pairs == 0 || pairs > (bytes - HEAD_BYTES) / PAIR_BYTES)
        return sum;
    uintptr_t last = module->unwind_table + HEAD_BYTES + (pairs - 1) * PAIR_BYTES;
    memcpy(words, (const void *)last, PAIR_BYTES); // NOLINT(performance-no-int-to-ptr)
    return fold(sum, words[0]);
}

/* The program headers of a mapped file follow its ELF header, which its first segment holds. */
static bool find_later(uintptr_t address, struct module *found)
{
    struct dl_find_object object;
    if (_dl_find_object == NULL || _dl_find_object((void *)address, &object) != 0) // NOLINT(performance-no-int-to-ptr)
        return false;
    const ElfW(Ehdr) *file = object.dlfo_map_start;
    const size_t first_page = 4096;
    if (memcmp(file->e_ident, ELFMAG, SELFMAG) != 0 || file->e_phentsize != sizeof(ElfW(Phdr)) ||
        file->e_phoff > first_page || file->e_phnum > (first_page - file->e_phoff) / sizeof(ElfW(Phdr)))
        return false;
    const void *headers = (const char *)file + file->e_phoff;
    if (!describe(object.dlfo_link_map->l_addr, headers, file->e_phnum, found))
        return false;
    uint64_t sum = fold((uintptr_t)object.dlfo_link_map, found->range.lo);
    found->identity = fold_tables(fold(sum, found->unwind_table), found) | 1;
    return true;
}

#else
static bool find_later(uintptr_t address, struct module *found)
{
    (void)address;
    (void)found;
    return false;
}
#endif

bool gci_image_find_module(uintptr_t address, struct module *found)
{
    const struct module *module = find_kept(address);
    if (module != NULL)
        *found = *module;
    return module != NULL || find_later(address, found);
}

/* The loader's own (link.h), for debuggers; not there in a static program. What is opened later comes behind the loader in its
 * list, and what else is behind it stays unknown. No function will do: parts of the static C++ library name __tls_get_addr for
 * the linker to leave out again, which it would not if a name stood here, too. */
#pragma weak _r_debug

static int keep(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    struct module *module = &kept[kept_count];
    if (kept_count == KEPT_MAX || !describe(info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum, module))
        return kept_count == KEPT_MAX;
    kept_count++;
    return range_contains(module->range, (uintptr_t)&_r_debug);
}

void gci_image_keep_modules(void)
{
    if (kept_count == 0)
        dl_iterate_phdr(keep, NULL);
}
