/* SPDX-License-Identifier: MIT */
#include "cli/launch/elf_file.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The fields up to e_machine lie at the same place in both widths. */
#define ELF_COMMON_BYTES (offsetof(Elf32_Ehdr, e_machine) + sizeof(uint16_t))

bool gci_elf_identify(const unsigned char *head, size_t length, struct elf_target *target)
{
    if (length < ELF_COMMON_BYTES || memcmp(head, ELFMAG, SELFMAG) != 0)
        return false;
    const unsigned char *machine = head + offsetof(Elf32_Ehdr, e_machine);
    bool big = head[EI_DATA] == ELFDATA2MSB;
    target->width = head[EI_CLASS];
    target->order = head[EI_DATA];
    target->machine = (uint16_t)((machine[big ? 0 : 1] << 8) | machine[big ? 1 : 0]);
    return true;
}

bool gci_elf_targets_match(const struct elf_target *a, const struct elf_target *b)
{
    return a->width == b->width && a->order == b->order && a->machine == b->machine;
}

static const char *machine_name(const struct elf_target *target)
{
    bool wide = target->width == ELFCLASS64;
    switch (target->machine) {
    case EM_386:
        return "32-bit x86";
    case EM_X86_64:
        return wide ? "x86-64" : "x32";
    case EM_AARCH64:
        return "aarch64";
    case EM_ARM:
        return "arm";
    case EM_RISCV:
        return wide ? "riscv64" : "riscv32";
    case EM_PPC64:
        return "ppc64";
    case EM_S390:
        return "s390";
    default:
        return NULL;
    }
}

const char *gci_elf_target_name(const struct elf_target *target, char name[ELF_TARGET_NAME_BYTES])
{
    const char *known = machine_name(target);
    const char *order = target->order == ELFDATA2MSB ? " (big-endian)" : "";
    if (known)
        snprintf(name, ELF_TARGET_NAME_BYTES, "%s%s", known, order);
    else
        snprintf(name, ELF_TARGET_NAME_BYTES, "%d-bit ELF machine %u%s", target->width == ELFCLASS64 ? 64 : 32,
                 target->machine, order);
    return name;
}

static bool read_at(int file, void *to, size_t bytes, uint64_t offset)
{
    return offset <= INT64_MAX && pread(file, to, bytes, (off_t)offset) == (ssize_t)bytes;
}

static enum elf_kind read_loader(int file, const ElfW(Phdr) *segment, char loader[PATH_MAX])
{
    size_t bytes = segment->p_filesz;
    if (bytes < 2 || bytes > PATH_MAX || !read_at(file, loader, bytes, segment->p_offset) ||
        loader[bytes - 1] != '\0') {
        loader[0] = '\0';
        return ELF_DAMAGED;
    }
    return ELF_DYNAMIC;
}

enum elf_kind gci_elf_kind(int file, char loader[PATH_MAX])
{
    ElfW(Ehdr) header;
    loader[0] = '\0';
    if (!read_at(file, &header, sizeof header, 0))
        return ELF_DAMAGED;
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return ELF_NO_PROGRAM;
    if (header.e_phnum == 0 || header.e_phentsize != sizeof(ElfW(Phdr)))
        return ELF_DAMAGED;
    for (uint64_t i = 0; i < header.e_phnum; i++) {
        ElfW(Phdr) segment;
        if (!read_at(file, &segment, sizeof segment, header.e_phoff + i * sizeof segment))
            return ELF_DAMAGED;
        if (segment.p_type == PT_INTERP)
            return read_loader(file, &segment, loader);
    }
    return ELF_NO_LOADER;
}
