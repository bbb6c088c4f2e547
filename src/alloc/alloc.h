/* SPDX-License-Identifier: MIT */
/* From a request to a pointer, and back. The two hot paths of the library are the inline functions here; everything else
 * is out of line. NULL means that there is no memory; api sets errno then, but where malloc's hot path ends by a call of
 * gci_alloc_slow, which does so itself.
 *
 * Hot path of a request: its bytes are taken from the thread's budget, which only small ones pass (alloc/budget.h). The
 * thread's window for the class names one word of free bits. The highest set bit is cleared, its index times the slot size is
 * added to the window's base. The object itself is not touched.
 *
 * Hot path of a free: the block's descriptor tells owner and reciprocal; the slot's bit in its bitmap is
 * set. Everything unusual (another thread's block, large, misuse, a block that is due to be looked at) leaves by two exits.
 *
 * Both may be stopped at any instruction (see world/stop.h). A slot that is taken but whose address is not formed yet is
 * safe because the collector leaves the words of windows alone. A slot that is being freed is safe because `block` stays
 * in a register until its bit is set, and the bit is set by one instruction, so the collector's change of the same word
 * is not lost.
 */
#ifndef GCI_ALLOC_ALLOC_H
#define GCI_ALLOC_ALLOC_H

#include "alloc/budget.h"
#include "alloc/torture.h"
#include "base/attributes.h"
#include "base/options.h"
#include "heap/block.h"
#include "heap/cache.h"
#include "platform/cpu.h"

/* Usable sizes of large objects are multiples of this: a page's rest costs nothing and lets them grow a little. */
#define LARGE_GRAIN_BYTES 4096u

/* Where leaks are looked for, a block ends before its slot does: a pointer just past the end of one that lives, as buffers have
 * them, would be one to the next. */
static inline size_t alloc_with_end(size_t bytes)
{
    return bytes + (gci_options.mode == MODE_LEAKS ? 1 : 0);
}

/* Contents undefined. Any size; 0 counts as 1. The hot path has been taken: the budget has the bytes, or is spent. Sets errno
 * where it fails, so that malloc can end by a call of it. */
void *gci_alloc_slow(size_t bytes, enum block_kind kind);

/* A request that the budget has chosen as a sample; the same while all are chosen: hooks->record is there (recorded.c). */
void *gci_alloc_chosen(size_t bytes, enum block_kind kind);
void *gci_alloc_recorded(size_t bytes, enum block_kind kind, const struct sample_hooks *hooks);

/* A request whose bytes the budget has already. */
struct counted_request {
    size_t bytes;        /* as the program asks */
    size_t wanted_bytes; /* at least as many */
    enum block_kind kind;
    bool is_zeroed;
    bool is_chosen; /* by the budget, as a sample */
};
void *gci_alloc_counted(const struct counted_request *request);

/* Zero-filled as far as it is usable, or (small sizes) at least `bytes`. */
void *gci_alloc_zeroed(size_t bytes, enum block_kind kind);

/* At a multiple of `alignment`, a power of two. Contents undefined. */
void *gci_alloc_aligned(size_t bytes, size_t alignment, enum block_kind kind);

/* Frees, or explains and aborts; `function` is the name that the program called. NULL is allowed; errno is kept. */
void gci_free_slow(void *block, const char *function);

/* The same where the block is not the thread's cache's, or others have freed into it. Were it one of slots, the address would
 * be the start of slot `product` >> 32, which may be behind the last. */
void gci_free_not_own(void *block, const char *function, struct block *descriptor, uint64_t product);

/* Takes what is none of our blocks, where the program has brought a malloc of its own; NULL: that is misuse. */
extern void (*gci_free_elsewhere)(void *block);

/* As realloc, for bytes > 0 and block not NULL. With `zero_added`, all usable bytes
 * past the smaller of the two sizes are zero. */
void *gci_realloc(void *block, size_t bytes, bool zero_added, const char *function);

/* Of the block that starts at `block`, or explains and aborts. */
size_t gci_usable_bytes(const void *block, const char *function);

/* Heap and caches exist; idempotent, any thread. False when there is no memory for them. */
bool gci_alloc_is_ready(void);

/* The calling thread gets its cache and record now. False when there is no memory. */
bool gci_alloc_attach_thread(void);

/* Gives back what can be given back without a collection; the bytes. `idle_ms`: only what has been free for so long. */
size_t gci_alloc_release(uint32_t idle_ms);

/* Last attempt of a failing allocation: true = something was freed, try again. */
typedef bool (*alloc_oom_fn)(size_t bytes);
void gci_alloc_on_oom(alloc_oom_fn callback);

/* Around fork. */
void gci_alloc_lock(void);
void gci_alloc_unlock(void);
void gci_alloc_reset_lock(void);

/* Calls `slow` where the budget or the window has nothing left; a tail call, so the hot path needs no frame. */
ALWAYS_INLINE void *alloc_fast_or(size_t bytes, enum block_kind kind, void *(*slow)(size_t bytes, enum block_kind kind))
{
    torture_tick();
    if (UNLIKELY(budget_spend(bytes)))
        return slow(bytes, kind);
    const struct window *window = cache_window(gci_cache_self.cache, kind, size_class_window(bytes));
    uint64_t *word = window_word(window);
    uint64_t bits = *word;
    if (UNLIKELY(bits == 0))
        return slow(bytes, kind);
    return window_take(window, word, bits);
}

ALWAYS_INLINE void *alloc_fast(size_t bytes, enum block_kind kind)
{
    return alloc_fast_or(bytes, kind, gci_alloc_slow);
}

/* Slots up to this size are cleared without a call. */
#define ZEROED_INLINE_MAX 256u

ALWAYS_INLINE void zero_slot(void *block, size_t slot_bytes)
{
    typedef char MAY_ALIAS granule __attribute__((vector_size(GRANULE_BYTES)));
    for (granule *at = block; at < (granule *)((char *)block + slot_bytes); at++) {
        *at = (granule){0};
        __asm__("" : "+r"(at)); /* or the compiler makes a call of it */
    }
}

/* As gci_alloc_zeroed; `slow`, which may be gci_alloc_zeroed itself, serves what the window cannot. */
ALWAYS_INLINE void *alloc_zeroed_fast(size_t bytes, enum block_kind kind,
                                      void *(*slow)(size_t bytes, enum block_kind kind))
{
    torture_tick();
    if (UNLIKELY(bytes > ZEROED_INLINE_MAX))
        return slow(bytes, kind);
    const struct window *window = cache_window(gci_cache_self.cache, kind, size_class_window(bytes));
    uint64_t *word = window_word(window);
    uint64_t bits = *word;
    if (UNLIKELY(bits == 0 || !budget_take(bytes)))
        return slow(bytes, kind);
    void *block = window_take(window, word, bits);
    zero_slot(block, window->slot_bytes);
    return block;
}

ALWAYS_INLINE void free_fast(void *block, const char *function)
{
    struct heap *heap = &gci_heap;
    uintptr_t offset = (uintptr_t)block - heap->base;
    if (UNLIKELY(offset >= word_load(&heap->limit_bytes))) {
        gci_free_slow(block, function);
        return;
    }
    struct block *descriptor = &heap->meta.blocks[offset >> BLOCK_SHIFT];
    uint32_t offset_in_block = offset & (BLOCK_BYTES - 1);
    uint32_t reciprocal = heap->meta.hot[offset >> BLOCK_SHIFT].reciprocal;
    uint64_t product = (uint64_t)offset_in_block * reciprocal;
    uint64_t index = product >> 38;
    uint64_t bit = UINT64_C(1) << (product >> 32 & 63);
    if (UNLIKELY((uint32_t)product >= reciprocal)) {
        gci_free_slow(block, function);
        return;
    }
    /* Ours, and no free of the same slot among those of other threads. */
    if (UNLIKELY(u32_load(&descriptor->custody) != gci_cache_self.id)) {
        gci_free_not_own(block, function, descriptor, product);
        return;
    }
    /* Not at the place of one that does not fit any more; not free already; not the last of those that the block waits for. */
    if (UNLIKELY(offset_in_block >= descriptor->slots_bytes || gci_cpu_test(&descriptor->free[index], bit) ||
                 --descriptor->countdown == 0)) {
        gci_free_slow(block, function);
        return;
    }
    gci_cpu_or(&descriptor->free[index], bit);
    KEEP_ALIVE(block);
}

#endif
