/* SPDX-License-Identifier: MIT */
/* What the public allocators share: glibc's edge cases of sizes and alignments, and errno. Each returns what the function
 * of that name returns; none falls back on another allocator.
 */
#ifndef GCI_API_FAMILY_H
#define GCI_API_FAMILY_H

#include <errno.h>

#include "alloc/alloc.h"
#include "base/bits.h"
#include "platform/vm.h"

/* In a static library only what is referred to is linked: whoever uses an allocator gets the start-up code. */
extern const char gci_init_link;
__attribute__((used)) static const char *const init_link = &gci_init_link;

#define ALIGNMENT_MAX (UINT64_C(1) << 63)

static COLD void *family_no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

ALWAYS_INLINE void *family_result(void *block)
{
    return LIKELY(block != NULL) ? block : family_no_memory();
}

/* For a block of ours, not NULL. */
static inline void *family_realloc(void *block, size_t bytes, bool zero_added, const char *function)
{
    if (bytes == 0) {
        free_fast(block, function);
        return NULL;
    }
    return family_result(gci_realloc(block, bytes, zero_added, function));
}

static inline void *family_aligned_alloc(size_t alignment, size_t bytes)
{
    if (!is_power_of_two(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return family_result(gci_alloc_aligned(bytes, alignment, KIND_SCANNED));
}

static inline void *family_memalign(size_t alignment, size_t bytes)
{
    if (alignment > ALIGNMENT_MAX) {
        errno = EINVAL;
        return NULL;
    }
    return family_aligned_alloc(power_of_two_up(alignment), bytes);
}

static inline int family_posix_memalign(void **block, size_t alignment, size_t bytes)
{
    if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return EINVAL;
    void *aligned = gci_alloc_aligned(bytes, alignment, KIND_SCANNED);
    if (aligned == NULL)
        return ENOMEM;
    *block = aligned;
    return 0;
}

static inline void *family_valloc(size_t bytes)
{
    return family_aligned_alloc(gci_vm_page_bytes(), bytes);
}

static inline void *family_pvalloc(size_t bytes)
{
    size_t page = gci_vm_page_bytes();
    return bytes > SIZE_MAX - page ? family_no_memory() : family_valloc(align_up(bytes == 0 ? 1 : bytes, page));
}

#endif
