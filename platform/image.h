/* SPDX-License-Identifier: MIT */
/* Contract: what is mapped in the process. Async-signal-safe where nothing else is said; no heap, no locks; errno is kept. */
#ifndef GCI_PLATFORM_IMAGE_H
#define GCI_PLATFORM_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/range.h"
#include "platform/pages.h"

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

/* The build id of the program or library whose file begins at `start` in memory; the number of its bytes, 0 where it has none. */
#define BUILD_ID_BYTES_MAX 20u
size_t gci_image_build_id(const struct page_reader *pages, uintptr_t start, uint8_t id[BUILD_ID_BYTES_MAX]);

/* Calls visit for each mapping, in address order. False where the system does not tell: then nothing was visited, or
 * the list broke off. */
bool gci_image_each(void (*visit)(const struct mapping *mapping, void *data), void *data);

/* ---- Code --------------------------------------------------------------------------------------------------------- */

/* A program or library that the loader has mapped. It stays where it is as long as one of its functions runs. */
struct module {
    struct range range;     /* all of it, with the holes between its segments */
    struct range tables;    /* the segment that holds its unwind tables; readable */
    uintptr_t unwind_table; /* address of its .eh_frame_hdr, 0 where it has none */
    uint64_t identity;      /* 0: never goes. Otherwise a later module at the same place has another one */
};

/* The module that holds the address. False where none does, or the system cannot tell without a lock. */
bool gci_image_find_module(uintptr_t address, struct module *found);

/* What is executed of the file that this library is linked into: a program's where it is linked statically. */
struct range gci_image_own_code(void);

/* What a library takes from others by name. */
struct import {
    const char *name;
    void (*function)(void);
};

/* From here on each library whose file's name begins with `library` calls these functions where it calls others of those names.
 * Only looks when libraries have come since the last call with this `seen`, which is 0 at first. Takes the loader's lock. */
void gci_image_replace_imports(const char *library, const struct import *imports, size_t count, uint64_t *seen);

/* Notes which modules never go, so that those are found sooner; not async-signal-safe. */
void gci_image_keep_modules(void);

#endif
