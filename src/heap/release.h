/* SPDX-License-Identifier: MIT */
/* Memory that blocks in use can give back: pages on which every slot is free.
 *
 * A page whose slots all have their bit in `free` or `remote` may lose its contents at any time, at any instruction of the
 * block's owner outside its critical sections, when it is the owner's thread that drops it:
 * - What a free slot holds is nobody's. Requests never trust it: calloc clears small slots always, realloc copies from and
 *   clears in slots that are handed out, and the region counts a unit that was a block as not clean whatever became of its
 *   pages. The collector reads slots that are handed out and no others. Nothing of ours lies in slots.
 * - Only the owner takes slots. It is in the handler, or in a slow path, that drops the page, so no slot is taken meanwhile;
 *   other threads only add to what is free. A request that the handler interrupted between the load of the window's word
 *   and the store gets its slot afterwards, perhaps on a fresh page.
 * - A slot whose bit a free has not set yet counts as handed out, and so does one whose bit a request has cleared.
 * A block without an owner is dropped from under its class lock, which keeps owners from coming.
 *
 * A page that was dropped is marked, so that nobody does it again. It gets its next request through a window that is opened
 * over it, or for a slot that is remembered, and both take the mark away (release_reopen); through a window that has been
 * open all the time the request leaves the mark, and the page is not dropped again before the next window.
 */
#ifndef GCI_HEAP_RELEASE_H
#define GCI_HEAP_RELEASE_H

#include "heap/block.h"

struct cache;

/* Less than this is not worth a signal. */
#define RELEASE_WORTH_BYTES ((uint64_t)2 << 20)

/* Values of a block's idle_since besides the numbers of ticks. */
#define IDLE_NOT 0u             /* a window was opened, or frees have brought something new, since the last tick */
#define IDLE_SERVED 0xffffu     /* what was found has been dropped; nobody need look until IDLE_NOT */
#define PAGES_PER_BLOCK_MAX 16u /* bits of absent_pages */

/* One thread's share of one tick. */
struct release_work {
    uint16_t tick;       /* number of the tick: not 0 and not IDLE_SERVED */
    size_t budget_bytes; /* what system calls may cost still, in bytes dropped */
    size_t released_bytes;
    size_t waiting_bytes; /* what could go, and has not been idle for long enough */
    bool has_given_units; /* which can go at once */
    bool is_cut_short;    /* the budget is used up and there is more */
};

/* Pages of the block, of those that may have memory, that hold nothing but free slots. Owner or class lock. */
uint32_t gci_release_free_pages(const struct heap *heap, uint32_t unit);

/* Drops what the cache's blocks have not used since the tick before. On the owner's thread, lists whole: in a critical
 * section that began outside of any. */
void gci_release_cache(struct heap *heap, struct cache *cache, struct release_work *work);

/* The same for blocks without an owner. */
void gci_release_abandoned(struct heap *heap, struct release_work *work);

/* Frees have made `bytes` free, more or less. When that, summed up, may be worth a tick, what really is free is counted,
 * and heap->on_worth called if it is. In a critical section. */
void gci_release_note(struct heap *heap, size_t bytes);

/* There is something new to look at in the block. Owner, class lock, or world stopped. */
void gci_release_mark_block(struct heap *heap, uint32_t unit);

/* gci_release_note and gci_release_mark_block, for a caller that has counted the block's free slots. */
void gci_release_note_block(struct heap *heap, uint32_t unit, uint32_t free_slots);

/* Starts or ends the counting of what is noted. */
void gci_release_watch(struct heap *heap, bool is_on);

COLD void gci_release_reopen(struct block *block, unsigned index, size_t slot_bytes);

/* Requests are served from the word `index` from now on. Owner. */
ALWAYS_INLINE void release_reopen(struct block *block, unsigned index, size_t slot_bytes)
{
    if (UNLIKELY((block->absent_pages | block->idle_since) != 0))
        gci_release_reopen(block, index, slot_bytes);
}

#endif
