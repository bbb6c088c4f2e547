/* SPDX-License-Identifier: MIT */
/* What the header of an ELF file says about running it: for which machine it is, and which loader it asks for. */
#ifndef GCI_CLI_ELF_FILE_H
#define GCI_CLI_ELF_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_target {
    unsigned char width; /* ELFCLASS32 or ELFCLASS64 */
    unsigned char order; /* ELFDATA2LSB or ELFDATA2MSB */
    uint16_t machine;    /* EM_ constant */
};

enum elf_kind {
    ELF_DYNAMIC,    /* a program that names a loader */
    ELF_NO_LOADER,  /* a program without one: statically linked, or the loader itself */
    ELF_NO_PROGRAM, /* object file, core file */
    ELF_DAMAGED
};

#define ELF_TARGET_NAME_BYTES 48

/* False where the first `length` bytes of a file are no ELF header. */
bool gci_elf_identify(const unsigned char *head, size_t length, struct elf_target *target);

bool gci_elf_targets_match(const struct elf_target *a, const struct elf_target *b);

/* "x86-64", "32-bit x86", "aarch64", ... */
const char *gci_elf_target_name(const struct elf_target *target, char name[ELF_TARGET_NAME_BYTES]);

/* For a file whose target is that of this very process. `loader` is "" unless the answer is ELF_DYNAMIC. */
enum elf_kind gci_elf_kind(int file, char loader[PATH_MAX]);

#endif
