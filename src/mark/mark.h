/* SPDX-License-Identifier: MIT */
/* Marking: from words to reachable objects.
 *
 * Blocks are queued, not objects: a block with marked slots that are not scanned is in the queue once, so the queue needs
 * one entry for each unit and cannot overflow, and marks gather while a block waits. Slots on their way to be scanned
 * pass through a short ring in which their memory is prefetched; while no block waits, a newly marked object goes into
 * the ring at once, which is all that happens on a list. No recursion anywhere.
 *
 * Invariant (heap/sweep.h): what is free is marked and scanned before marking starts, so a stray word that hits a free
 * slot ends at the same test as one that hits a marked object.
 */
#ifndef GCI_MARK_MARK_H
#define GCI_MARK_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/heap.h"
#include "platform/pages.h"

#define RING_ENTRIES 16u

struct pending_scan {
    uintptr_t start;
    size_t bytes;
};

/* One marker's state; lives as long as one collection. */
struct marker {
    struct heap *heap;
    uintptr_t base;
    size_t limit_bytes;
    uint32_t queue_head; /* ring of `queue_capacity` entries in the heap's metadata */
    uint32_t queue_count;
    uint32_t queue_capacity;
    uint32_t ring_head;
    uint32_t ring_count;
    struct pending_scan ring[RING_ENTRIES];
    uint64_t scanned_bytes;
    /* For large objects: parts that were never written hold nothing and are not even read. */
    bool has_pages;      /* `pages` is open */
    bool may_read_pages; /* opening it has not failed */
    struct page_reader pages;
    struct range written; /* the last answer of it: nothing was written from where it was asked up to written.lo */
    uintptr_t asked_from;
};

void gci_mark_init(struct marker *marker, struct heap *heap);
void gci_mark_fini(struct marker *marker);

/* Words of roots: a word that points at a slot's start keeps the slot before it too, for pointers past an end. */
void gci_mark_root_words(struct marker *marker, const uintptr_t *words, size_t count);

/* A unit whose allocated slots are roots; they are marked but not scanned. */
void gci_mark_root_unit(struct marker *marker, uint32_t unit);

/* Marks everything that is reachable from what has been marked. */
void gci_mark_drain(struct marker *marker);

/* Whether the object is marked. */
bool gci_mark_is_set(const struct heap *heap, uint32_t unit, uint32_t slot);

#endif
