/* SPDX-License-Identifier: MIT */
/* What is a root: every private mapping of the process that can be read and was written, shared memory without a file,
 * the stacks above each thread's stack pointer (they are mappings too), the saved registers on them, and ranges that the
 * program names. Not: our own memory, what lies below a stack pointer, stacks of ended threads, excluded ranges.
 */
#ifndef GCI_WORLD_ROOTS_H
#define GCI_WORLD_ROOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/range.h"
#include "platform/pages.h"

typedef void (*root_words_fn)(const uintptr_t *words, size_t count, void *data);

/* Calls visit with copies of all root words, a piece at a time. The world is stopped; the caller's own frames start at
 * stack_pointer. False if the process could not be read: then nothing may be freed. */
bool gci_roots_each(const struct page_reader *reader, uintptr_t stack_pointer, root_words_fn visit, void *data);

/* Ranges of the program's. 0, EINVAL, ENOMEM, ENOENT. Critical section. */
int gci_roots_add_range(struct range range);
int gci_roots_remove_range(struct range range);
int gci_roots_exclude_range(struct range range);

/* Around fork. */
void gci_roots_lock(void);
void gci_roots_unlock(void);
void gci_roots_reset_lock(void);

#endif
