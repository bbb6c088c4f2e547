/* SPDX-License-Identifier: MIT */
/* The malloc family as glibc has it: the only file, with malloc_cxx.c, that replaces names of the C library.
 *
 * Behaviour at the edges is glibc's: malloc(0) is a block of its own, realloc(p, 0) frees, free keeps errno, failures set
 * ENOMEM, memalign rounds its alignment up, aligned_alloc does not ask for a multiple.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/family.h"
#include "api/init.h"
#include "api/programs/own_malloc.h"
#include "base/options.h"
#include "collect/cycle.h"
#include "heap/region.h"
#include "platform/env.h"
#include "world/critical.h"

/* As for start-up in family.h: libraries are looked at where malloc is ours, whoever opens them. */
extern const char gci_loader_link;
__attribute__((used)) static const char *const loader_link = &gci_loader_link;

/* Not in the headers of every glibc: cfree went in 2.26, the sized forms came in 2.43. */
void cfree(void *block);
void free_sized(void *block, size_t bytes);
void free_aligned_sized(void *block, size_t alignment, size_t bytes);

const char gci_init_malloc_link = 1;

EXPORT void *malloc(size_t bytes)
{
    return alloc_fast(bytes, KIND_SCANNED);
}

EXPORT void free(void *block)
{
    free_fast(block, "free");
}

EXPORT void cfree(void *block)
{
    free_fast(block, "cfree");
}

/* C23: the size is the caller's word for what it asked for; nothing is gained by trusting it. */
EXPORT void free_sized(void *block, size_t bytes)
{
    (void)bytes;
    free_fast(block, "free_sized");
}

EXPORT void free_aligned_sized(void *block, size_t alignment, size_t bytes)
{
    (void)alignment;
    (void)bytes;
    free_fast(block, "free_aligned_sized");
}

EXPORT void *calloc(size_t count, size_t bytes)
{
    size_t total;
    if (UNLIKELY(!multiply_sizes(count, bytes, &total)))
        return family_no_memory();
    return family_result(gci_alloc_zeroed(total, KIND_SCANNED));
}

static void *reallocate(void *block, size_t bytes, const char *function)
{
    return block == NULL ? malloc(bytes) : family_realloc(block, bytes, false, function);
}

EXPORT void *realloc(void *block, size_t bytes)
{
    return reallocate(block, bytes, "realloc");
}

EXPORT void *reallocarray(void *block, size_t count, size_t bytes)
{
    size_t total;
    if (!multiply_sizes(count, bytes, &total))
        return family_no_memory();
    if (UNLIKELY(gci_own_malloc_is_there()))
        return gci_own_malloc_resize(block, total);
    return reallocate(block, total, "reallocarray");
}

EXPORT void *memalign(size_t alignment, size_t bytes)
{
    return family_memalign(alignment, bytes);
}

EXPORT void *aligned_alloc(size_t alignment, size_t bytes)
{
    return family_aligned_alloc(alignment, bytes);
}

EXPORT int posix_memalign(void **block, size_t alignment, size_t bytes)
{
    return family_posix_memalign(block, alignment, bytes);
}

EXPORT void *valloc(size_t bytes)
{
    return family_valloc(bytes);
}

EXPORT void *pvalloc(size_t bytes)
{
    return family_pvalloc(bytes);
}

EXPORT size_t malloc_usable_size(void *block)
{
    if (block == NULL)
        return 0;
    return UNLIKELY(gci_own_malloc_is_there()) ? gci_own_malloc_usable(block)
                                               : gci_usable_bytes(block, "malloc_usable_size");
}

/* ---- Figures and tuning ------------------------------------------------------------------------------------------- */

/* Frees what is unreachable, then gives every free page back. 1 if any memory was returned, as in glibc. */
EXPORT int malloc_trim(size_t pad)
{
    (void)pad;
    gci_cycle_run(REASON_REQUEST);
    return gci_alloc_release(0) > 0;
}

/* glibc's parameters have no meaning here; 1 says that they were understood, 0 that there is no such parameter. */
EXPORT int mallopt(int parameter, int value)
{
    (void)value;
    return parameter <= M_MXFAST && parameter >= M_ARENA_MAX;
}

struct usage {
    size_t from_system; /* bytes of memory that the heap keeps */
    size_t in_use;      /* of them, in blocks and runs that are not wholly free */
};

static struct usage measure_usage(void)
{
    size_t used = region_used_bytes(&gci_heap);
    size_t peak = (size_t)word_load(&gci_heap.peak_bytes);
    return (struct usage){peak > used ? peak : used, used};
}

EXPORT struct mallinfo2 mallinfo2(void)
{
    struct usage usage = measure_usage();
    return (struct mallinfo2){
        .arena = usage.from_system, .uordblks = usage.in_use, .fordblks = usage.from_system - usage.in_use};
}

EXPORT struct mallinfo mallinfo(void)
{
    struct mallinfo2 wide = mallinfo2();
    return (struct mallinfo){.arena = (int)wide.arena, .uordblks = (int)wide.uordblks, .fordblks = (int)wide.fordblks};
}

EXPORT void malloc_stats(void)
{
    struct usage usage = measure_usage();
    struct text text;
    gci_text_init(&text);
    gci_text_add(&text, "heap ");
    gci_text_add_size(&text, usage.in_use);
    gci_text_add(&text, ", peak ");
    gci_text_add_size(&text, usage.from_system);
    gci_text_add(&text, ", cycles ");
    gci_text_add_decimal(&text, gci_cycle_totals.cycles);
    gci_text_add(&text, ", reclaimed ");
    gci_text_add_size(&text, gci_cycle_totals.freed_bytes);
    gci_env_report(&text);
}

EXPORT int malloc_info(int options, FILE *stream)
{
    if (options != 0) {
        errno = EINVAL;
        return -1;
    }
    struct usage usage = measure_usage();
    fprintf(stream,
            "<malloc version=\"gcalloc-1\">\n<heap nr=\"0\">\n<sizes>\n</sizes>\n</heap>\n"
            "<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n"
            "<collector cycles=\"%llu\" reclaimed=\"%llu\"/>\n</malloc>\n",
            usage.in_use, usage.from_system, (unsigned long long)gci_cycle_totals.cycles,
            (unsigned long long)gci_cycle_totals.freed_bytes);
    return 0;
}

/* ---- glibc's own names for the same functions --------------------------------------------------------------------- */

void *__libc_malloc(size_t bytes) ALIAS(malloc);                          // NOLINT(bugprone-reserved-identifier)
void *__libc_calloc(size_t count, size_t bytes) ALIAS(calloc);            // NOLINT(bugprone-reserved-identifier)
void *__libc_realloc(void *block, size_t bytes) ALIAS(realloc);           // NOLINT(bugprone-reserved-identifier)
void __libc_free(void *block) ALIAS(free);                                // NOLINT(bugprone-reserved-identifier)
void __libc_cfree(void *block) ALIAS(cfree);                              // NOLINT(bugprone-reserved-identifier)
void *__libc_memalign(size_t alignment, size_t bytes) ALIAS(memalign);    // NOLINT(bugprone-reserved-identifier)
void *__libc_valloc(size_t bytes) ALIAS(valloc);                          // NOLINT(bugprone-reserved-identifier)
void *__libc_pvalloc(size_t bytes) ALIAS(pvalloc);                        // NOLINT(bugprone-reserved-identifier)
int __posix_memalign(void **b, size_t a, size_t n) ALIAS(posix_memalign); // NOLINT(bugprone-reserved-identifier)

/* ---- For api/programs/own_malloc.c -------------------------------------------------------------------------------- */

void *gci_malloc_here(size_t bytes) HIDDEN_ALIAS(malloc);
void gci_free_here(void *block) HIDDEN_ALIAS(free);
