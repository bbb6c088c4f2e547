/* SPDX-License-Identifier: MIT */
/* Implementation of mark/mark.h: begin, roots, helpers, end. The work itself is in mark/kernel.c. */
#include "mark/mark.h"

#include "base/bits.h"
#include "heap/block.h"
#include "platform/thread.h"

/* A marker needs a few frames and, where a page must be asked about, a page of the kernel's answers. */
#define STACK_BYTES ((size_t)32 << 10)

/* A thread's place, kept from one collection to the next: its memory is ours, so nothing in it is a root. */
struct helper {
    struct helper *next; /* of all that there are */
    struct marking *marking;
    struct marker marker;
    struct worker worker;
    _Alignas(64) char stack[STACK_BYTES];
};

static const struct kernel *kernel_for(enum simd simd)
{
    switch (simd) {
#if defined(GCI_HAS_LANES_AVX512)
    case SIMD_AVX512:
        return &gci_kernel_avx512;
#endif
#if defined(GCI_HAS_LANES_AVX2)
    case SIMD_AVX2:
        return &gci_kernel_avx2;
#endif
    default:
        return &gci_kernel_scalar;
    }
}

static void forget_written(struct marker *marker)
{
    marker->written = (struct range){0, 0};
    marker->asked_from = 0;
}

static void init_marker(struct marker *marker, struct marking *marking, const struct page_reader *pages)
{
    marker->heap = marking->heap;
    marker->queue = &marking->queue;
    marker->pages = pages;
    marker->base = marking->heap->base;
    marker->limit_bytes = word_load(&marking->heap->limit_bytes);
    marker->scanned_bytes = 0;
    marker->in_next = marker->in_count = marker->out_count = 0;
    forget_written(marker);
}

void gci_mark_help(struct marking *marking, struct marker *marker)
{
    init_marker(marker, marking, marking->own.pages);
    if (gci_queue_join(&marking->queue))
        marking->kernel->drain(marker);
}

/* On a thread that has no thread-local storage of its own (platform/thread.h). */
static int help(void *data)
{
    struct helper *helper = data;
    gci_mark_help(helper->marking, &helper->marker);
    return 0;
}

static struct helper *next_helper(struct marking *marking, struct helper **place)
{
    if (*place == NULL)
        *place = gci_heap_take_meta(marking->heap, sizeof **place);
    return *place;
}

static void start_helpers(struct marking *marking, uint32_t count)
{
    struct helper **place = &marking->heap->helpers;
    for (; marking->helper_count < count; marking->helper_count++) {
        struct helper *helper = next_helper(marking, place);
        if (helper == NULL)
            return;
        helper->marking = marking;
        if (!gci_worker_start(&helper->worker, range_of(helper->stack, STACK_BYTES), help, helper))
            return;
        place = &helper->next;
    }
}

void gci_mark_call_helpers(struct marking *marking, uint32_t count)
{
    struct unit_queue *queue = &marking->queue;
    queue->is_shared = true;
    u32_store(&queue->available, queue->count);
    start_helpers(marking, count);
    queue->is_shared = marking->helper_count > 0;
}

void gci_mark_begin(struct marking *marking, struct heap *heap, enum simd simd, const struct page_reader *pages)
{
    marking->heap = heap;
    marking->kernel = kernel_for(simd);
    marking->queue = (struct unit_queue){.entries = heap->meta.queue, .capacity = heap->frontier, .markers = 1};
    marking->helper_count = 0;
    init_marker(&marking->own, marking, pages);
}

void gci_mark_root_words(struct marking *marking, const uintptr_t *words, size_t count)
{
    marking->kernel->mark_roots(&marking->own, words, count);
}

void gci_mark_root_unit(struct marking *marking, uint32_t unit)
{
    const struct heap *heap = marking->heap;
    uint32_t count = heap->meta.hot[unit].use == UNIT_LARGE ? block_at(heap, unit)->run_units : 1;
    u32_store(&heap->meta.queued[unit], 1);
    for (uint32_t i = 0; i < count; i++)
        queue_push(&marking->queue, unit + i);
}

void gci_mark_end(struct marking *marking)
{
    marking->kernel->drain(&marking->own);
    const struct helper *helper = marking->heap->helpers;
    for (uint32_t i = 0; i < marking->helper_count; i++, helper = helper->next)
        gci_worker_join(&helper->worker);
    forget_written(
        &marking->own); /* it lies on a stack, where whoever looks at the roots again would find the end of an object */
}

bool gci_mark_is_set(const struct heap *heap, uint32_t unit, uint32_t slot)
{
    return heap->meta.mark[unit][slot / BITS_PER_WORD] >> (slot % BITS_PER_WORD) & 1;
}
