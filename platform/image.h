/* SPDX-License-Identifier: MIT */
/* Contract: what is mapped in the process. Async-signal-safe; no heap, no locks; errno is kept. */
#ifndef GCI_PLATFORM_IMAGE_H
#define GCI_PLATFORM_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/range.h"

enum mapping_kind {
    MAPPING_PRIVATE, /* anonymous, or a file's private copy: .data, .bss, stacks, heaps of others */
    MAPPING_STACK,   /* the main thread's stack */
    MAPPING_SHARED,  /* shared memory without a file of its own */
    MAPPING_OTHER    /* shared files, devices, pages of the kernel: never holds the program's pointers */
};

struct mapping {
    struct range range;
    enum mapping_kind kind;
    const char *path;     /* "" where it has no name; only during the call */
    uint64_t file_offset; /* of its start */
    bool is_readable;
    bool is_code;     /* can be executed */
    bool is_file;     /* of a file: of a module, as a rule */
    bool is_nameless; /* and not known to the system by any name */
    bool is_loader;   /* the dynamic loader's own image */
};

/* Calls visit for each mapping, in address order. False where the system does not tell: then nothing was visited, or
 * the list broke off. */
bool gci_image_each(void (*visit)(const struct mapping *mapping, void *data), void *data);

/* What is executed of the file that this library is linked into: a program's where it is linked statically. */
struct range gci_image_own_code(void);

#endif
