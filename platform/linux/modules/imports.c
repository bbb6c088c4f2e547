/* SPDX-License-Identifier: MIT */
/* The part of platform/image.h that changes what a library calls, in the loader's tables.
 *
 * A call to another library goes through a word of the caller's own, which the loader fills in when it maps the library, or at
 * the first call, by a table of such words and their names. Those words are written here, by the same table. Where the loader
 * has taken the right to write to them away, it is taken back for that moment.
 */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/text.h"
#include "platform/image.h"
#include "platform/vm.h"

/* As the dynamic section of one library tells. */
struct linkage {
    uintptr_t bias;
    const ElfW(Sym) *symbols;
    const char *names;
    struct range calls; /* tables of words: those that may be filled in at the first call, and all others */
    struct range others;
    struct range sealed; /* what the loader has made read-only: whole pages */
};

struct replacing {
    const char *library;
    const struct import *imports;
    size_t count;
    uint64_t seen;
};

/* The loader has turned offsets into addresses; other loaders leave them as they are. */
static uintptr_t address_of(const struct linkage *linkage, uintptr_t value)
{
    return value < linkage->bias ? linkage->bias + value : value;
}

static void read_dynamic(struct linkage *linkage, const ElfW(Dyn) *entry)
{
    for (; entry->d_tag != DT_NULL; entry++) {
        uintptr_t value = entry->d_un.d_val;
        switch (entry->d_tag) {
        case DT_SYMTAB:
            linkage->symbols = (const void *)address_of(linkage, value);
            break; // NOLINT
        case DT_STRTAB:
            linkage->names = (const void *)address_of(linkage, value);
            break; // NOLINT
        case DT_JMPREL:
            linkage->calls.lo = address_of(linkage, value);
            break;
        case DT_PLTRELSZ:
            linkage->calls.hi = value;
            break;
        case DT_RELA:
            linkage->others.lo = address_of(linkage, value);
            break;
        case DT_RELASZ:
            linkage->others.hi = value;
            break;
        default:
            break;
        }
    }
    linkage->calls.hi += linkage->calls.lo;
    linkage->others.hi += linkage->others.lo;
}

static struct linkage describe(const struct dl_phdr_info *info)
{
    struct linkage linkage = {.bias = info->dlpi_addr};
    const ElfW(Dyn) *dynamic = NULL;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t lo = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            dynamic = (const void *)lo; // NOLINT(performance-no-int-to-ptr)
        if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO)
            linkage.sealed = (struct range){lo, align_down(lo + info->dlpi_phdr[i].p_memsz, gci_vm_page_bytes())};
    }
    if (dynamic != NULL)
        read_dynamic(&linkage, dynamic);
    return linkage;
}

static void write_word(const struct linkage *linkage, uintptr_t at, uintptr_t value)
{
    size_t page_bytes = gci_vm_page_bytes();
    void *page = (void *)align_down(at, page_bytes); // NOLINT(performance-no-int-to-ptr)
    bool is_sealed = range_contains(linkage->sealed, at);
    if (is_sealed && mprotect(page, page_bytes, PROT_READ | PROT_WRITE) != 0)
        return;
    __atomic_store_n((uintptr_t *)at, value, __ATOMIC_RELAXED); // NOLINT(performance-no-int-to-ptr)
    if (is_sealed)
        (void)mprotect(page, page_bytes, PROT_READ);
}

static const struct import *find_import(const struct replacing *replacing, const char *name)
{
    for (size_t i = 0; i < replacing->count; i++)
        if (strcmp(replacing->imports[i].name, name) == 0)
            return &replacing->imports[i];
    return NULL;
}

static void replace_in(const struct replacing *replacing, const struct linkage *linkage, struct range table)
{
    const ElfW(Rela) *entry = (const void *)table.lo; // NOLINT(performance-no-int-to-ptr)
    for (size_t left = range_bytes(table) / sizeof *entry; left > 0; left--, entry++) {
        const ElfW(Sym) *symbol = &linkage->symbols[ELF64_R_SYM(entry->r_info)];
        bool is_other = symbol->st_shndx != SHN_UNDEF || entry->r_addend != 0;
        const struct import *import = is_other ? NULL : find_import(replacing, linkage->names + symbol->st_name);
        if (import != NULL)
            write_word(linkage, linkage->bias + entry->r_offset, (uintptr_t)import->function);
    }
}

static int visit(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    struct replacing *replacing = data;
    if (replacing->seen == info->dlpi_adds)
        return 1;
    const char *slash = strrchr(info->dlpi_name, '/');
    if (!gci_text_starts_with(slash == NULL ? info->dlpi_name : slash + 1, replacing->library))
        return 0;
    struct linkage linkage = describe(info);
    if (linkage.symbols != NULL && linkage.names != NULL) {
        replace_in(replacing, &linkage, linkage.calls);
        replace_in(replacing, &linkage, linkage.others);
    }
    return 0;
}

static int count_libraries(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    *(uint64_t *)data = info->dlpi_adds;
    return 1;
}

/* What comes between the two questions is looked at again by the next call. */
void gci_image_replace_imports(const char *library, const struct import *imports, size_t count, uint64_t *seen)
{
    int saved = errno;
    uint64_t now = 0;
    struct replacing replacing = {library, imports, count, __atomic_load_n(seen, __ATOMIC_RELAXED)};
    dl_iterate_phdr(count_libraries, &now);
    if (now != replacing.seen) {
        dl_iterate_phdr(visit, &replacing);
        __atomic_store_n(seen, now, __ATOMIC_RELAXED);
    }
    errno = saved;
}
