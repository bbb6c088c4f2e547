/* SPDX-License-Identifier: MIT */
/* Contract: memory that we do not own: read without ever faulting, tried before it is written, and which pages hold anything.
 *
 * A reader lives on the stack of one function: no descriptor outlives a collection, since programs close descriptors
 * they do not know and reuse their numbers. Async-signal-safe; errno is kept.
 */
#ifndef GCI_PLATFORM_PAGES_H
#define GCI_PLATFORM_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/range.h"

struct page_reader {
    int pagemap;   /* descriptor or -1 */
    int memory;    /* descriptor of what has pages that no load may touch, or -1 */
    bool has_scan; /* the kernel lists page ranges by category */
    bool has_copy; /* memory can be copied by system call */
};

/* False if there is no safe way to read foreign memory here: then nothing may be collected. */
bool gci_pages_open(struct page_reader *reader);
void gci_pages_close(struct page_reader *reader);

/* The first part of [from, limit) whose pages may hold data: written by this process and in memory or swapped out; with
 * `shared`, simply present. Empty ranges are skipped at little cost. {limit, limit} at the end. */
struct range gci_pages_next(const struct page_reader *reader, uintptr_t from, uintptr_t limit, bool shared);

/* Whether that takes little time in a range of which hardly any page holds something: large ones do not everywhere. */
bool gci_pages_is_quick(const struct page_reader *reader, struct range range);

/* Copies what can be read of [from, from + bytes) up to the first page that cannot, pages without access too where the system
 * lets us; returns the bytes copied. */
size_t gci_pages_read(const struct page_reader *reader, void *to, uintptr_t from, size_t bytes);

/* Whether the page of that address can be read. Needs no reader, one system call, and no permission of a sandbox. */
bool gci_pages_is_readable(uintptr_t address);

/* Whether the page of that address can be written; what lies there stays as it is. The same. */
bool gci_pages_is_writable(uintptr_t address);

#endif
