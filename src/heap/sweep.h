/* SPDX-License-Identifier: MIT */
/* The heap's side of a collection: mark bits before, freeing by bitmaps after. The world is stopped for all of it, so
 * blocks are moved between lists of any owner here; no object is touched.
 */
#ifndef GCI_HEAP_SWEEP_H
#define GCI_HEAP_SWEEP_H

#include "heap/heap.h"

struct census {
    uint64_t live_bytes;
    uint64_t live_objects;
    uint64_t live_scanned_bytes; /* of live_bytes, what marking has to read */
    uint64_t freed_bytes;
    uint64_t freed_objects;
};

/* Establishes: every slot that is not in the program's hands, and every bit that is no slot, is marked and scanned.
 * `uncollectable` is called for each unit whose allocated slots are roots; they are marked already. */
void gci_sweep_prepare(struct heap *heap, void (*uncollectable)(uint32_t unit, void *data), void *data);

/* What is marked now is marked at the beginning of every later cycle, until unfrozen or freed. World stopped, after marking;
 * false, and nothing is changed, where there is no memory. A later freeze takes the place of an earlier one. */
bool gci_sweep_freeze(struct heap *heap);
void gci_sweep_unfreeze(struct heap *heap); /* world stopped */
bool gci_sweep_is_frozen(const struct heap *heap, uint32_t unit, uint32_t slot);

/* Free slots of the word are going to be handed out again. Those that are freed into an open window, and taken from it again,
 * are as frozen as before. Owner. */
COLD void gci_sweep_forget_frozen(struct heap *heap, uint32_t unit, unsigned index);

/* Counts what is marked and what is not. With `free_dead`, frees the rest and gives empty blocks back. */
struct census gci_sweep_run(struct heap *heap, bool free_dead);

/* After a cycle, the world running again: the memory of the mark bitmaps goes back until the next one, and that of the scan
 * bitmaps where they tell of no reclaimed slot. Collector's lock held. */
void gci_sweep_forget(struct heap *heap, bool has_reclaimed);

#endif
