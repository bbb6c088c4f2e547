/* SPDX-License-Identifier: MIT */
/* Marking: from words to reachable objects.
 *
 * Units are queued, not objects: a block with marked slots that are not scanned is in the queue once, so the queue needs
 * one entry for each unit and cannot overflow, and marks gather while a block waits. Slots on their way to be scanned
 * pass through a short ring in which their memory is prefetched; while no block waits, a newly marked object goes into
 * the ring at once, which is all that happens on a list. No recursion anywhere.
 *
 * Where there is much to mark, helpers do it beside the caller (mark/marker.h argues that they miss nothing and end), each
 * on a thread that exists only meanwhile.
 *
 * Invariant (heap/sweep.h): what is free is marked and scanned before marking starts, so a stray word that hits a free
 * slot ends at the same test as one that hits a marked object.
 */
#ifndef GCI_MARK_MARK_H
#define GCI_MARK_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mark/marker.h"
#include "platform/cpu.h"

#define MARKERS_MAX 16u

/* One collection's marking. Its address must not change from begin to end. */
struct marking {
    struct heap *heap;
    const struct kernel *kernel;
    struct unit_queue queue;
    struct marker own;
    uint32_t helper_count;
};

/* World stopped, one marking at a time for each heap. `simd`: one that the processor has. `pages` tells what was never
 * written and need not be read; NULL: everything is. */
void gci_mark_begin(struct marking *marking, struct heap *heap, enum simd simd, const struct page_reader *pages);

/* Marks what the words point at. A word that points at a slot's start keeps the slot before it too, for pointers past an
 * end. */
void gci_mark_root_words(struct marking *marking, const uintptr_t *words, size_t count);

/* A unit whose allocated slots are roots; they are marked but not scanned. Before helpers are called. */
void gci_mark_root_unit(struct marking *marking, uint32_t unit);

/* From here on `count` helpers mark what is found, or as many as the system gives. At most MARKERS_MAX - 1. The heap is
 * prepared (heap/sweep.h) and every signal is blocked. */
void gci_mark_call_helpers(struct marking *marking, uint32_t count);

/* The calling thread is one more marker, with `marker` for its state, until everything is marked. Helpers come to this; tests
 * call it on threads that sanitizers know, before the end and with queue.is_shared set. */
void gci_mark_help(struct marking *marking, struct marker *marker);

/* Marks everything that is reachable from what has been marked, and waits for the helpers. */
void gci_mark_end(struct marking *marking);

/* Whether the object is marked. */
bool gci_mark_is_set(const struct heap *heap, uint32_t unit, uint32_t slot);

#endif
