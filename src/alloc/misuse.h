/* SPDX-License-Identifier: MIT */
/* What is wrong with a pointer that no block starts at: one line, then abort. */
#ifndef GCI_ALLOC_MISUSE_H
#define GCI_ALLOC_MISUSE_H

#include "base/attributes.h"
#include "base/text.h"
#include "heap/resolve.h"

/* What every line begins with. */
COLD void gci_misuse_begin(struct text *text, const void *block, const char *function);

NORETURN COLD void gci_misuse_explain(const void *block, const char *function);

/* A pointer that is not from the heap's range: true if it is harmless, namely from the dynamic loader's own allocator,
 * which served before this library did. */
COLD bool gci_misuse_is_tolerated(const void *block);

#endif
