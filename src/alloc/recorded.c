/* SPDX-License-Identifier: MIT */
/* Requests while a profiler looks at each one: the short way of small ones.
 *
 * The object is taken first, from a window of the thread's second cache (heap/special/sample.h). The profiler is told last of
 * all, by a call that nothing comes after: no register is saved for it, and it keeps the block alive till then. What has no
 * window goes the long way, where the profiler is asked first (gci_alloc_chosen). Frees have a short way of the same kind
 * (free.c: gci_free_not_own).
 */
#include "alloc/alloc.h"
#include "alloc/refill.h"
#include "base/options.h"
#include "heap/special/sample.h"
#include "world/critical.h"

ALWAYS_INLINE void *take_and_record(size_t bytes, const struct window *window, uint64_t *word, uint64_t bits,
                                    const struct sample_hooks *hooks)
{
    size_t index = window_take_index(word, bits);
    return hooks->record(bytes, window->base + index * window->slot_bytes, window->records + index);
}

static NOINLINE void *refill_and_record(size_t bytes, enum block_kind kind, const struct sample_hooks *hooks)
{
    struct cache *sampled = gci_cache_self.cache->sampled;
    size_t offset = size_class_window(bytes);
    const struct window *window = cache_window(sampled, kind, offset);
    bool is_open = gci_refill_window(&gci_heap, sampled, kind, (unsigned)(offset / WINDOW_BYTES));
    uint64_t *word = window_word(window);
    uint64_t bits = *word;
    return LIKELY(is_open && bits != 0) ? take_and_record(bytes, window, word, bits, hooks)
                                        : gci_alloc_chosen(bytes, kind);
}

/* Where leaks are looked for, the slot has room for an end, and holds nothing of what was in it before. */
static NOINLINE void *record_for_leaks(size_t bytes, enum block_kind kind, const struct sample_hooks *hooks)
{
    struct cache *sampled = gci_cache_self.cache->sampled;
    size_t offset = size_class_window(alloc_with_end(bytes));
    const struct window *window = cache_window(sampled, kind, offset);
    if (*window_word(window) == 0)
        gci_refill_window(&gci_heap, sampled, kind, (unsigned)(offset / WINDOW_BYTES));
    uint64_t *word = window_word(window);
    uint64_t bits = *word;
    if (UNLIKELY(bits == 0))
        return gci_alloc_chosen(bytes, kind);
    size_t index = window_take_index(word, bits);
    void *block = window->base + index * window->slot_bytes;
    if (LIKELY(window->slot_bytes <= ZEROED_INLINE_MAX))
        zero_slot(block, window->slot_bytes);
    else
        __builtin_memset(block, 0, window->slot_bytes);
    return hooks->record(bytes, block, window->records + index);
}

void *gci_alloc_recorded(size_t bytes, enum block_kind kind, const struct sample_hooks *hooks)
{
    struct cache *sampled = gci_cache_self.cache->sampled;
    if (UNLIKELY(bytes - 1 >= FEW_SLOTS_BYTES_MIN - 2 || sampled == NULL || critical_is_inside()))
        return gci_alloc_chosen(bytes, kind);
    if (UNLIKELY(gci_options.mode == MODE_LEAKS))
        return record_for_leaks(bytes, kind, hooks);
    const struct window *window = cache_window(sampled, kind, size_class_window(bytes));
    uint64_t *word = window_word(window);
    uint64_t bits = *word;
    return LIKELY(bits != 0) ? take_and_record(bytes, window, word, bits, hooks)
                             : refill_and_record(bytes, kind, hooks);
}
