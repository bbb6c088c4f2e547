/* SPDX-License-Identifier: MIT */
/* A second marking, as simple as it can be, to compare the first with: one thread, one word after the other, no queue, no
 * ring; all objects are looked at again until nothing changes. For tests; it takes as long as the heap is deep.
 */
#ifndef GCI_MARK_VERIFY_H
#define GCI_MARK_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/heap.h"

/* Keeps the marks of the first marking aside. Then the heap is prepared again (heap/sweep.h), and the roots are shown to
 * gci_verify_words. False: there is no memory for it. */
bool gci_verify_begin(struct heap *heap);

/* Root words, by the rule of gci_mark_root_words. */
void gci_verify_words(struct heap *heap, const uintptr_t *words, size_t count);

/* Marks what is reachable and compares. Address of an object that only one of the two found, 0 if there is none. */
uintptr_t gci_verify_end(struct heap *heap);

#endif
