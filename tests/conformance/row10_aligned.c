/* SPDX-License-Identifier: MIT */
/* Rows 10 to 13: the aligned family, its errors, and errors that leave everything as it was. */
#include <malloc.h>

#include "conformance.h"

static void check_aligned(void *block, size_t alignment, size_t bytes)
{
    CHECK(block != NULL && (uintptr_t)block % alignment == 0);
    CHECK(malloc_usable_size(block) >= bytes);
    memset(block, 0x5a, bytes);
    free(block);
}

static void good_alignments(void)
{
    for (size_t alignment = 8; alignment <= 4 << 20; alignment *= 2) {
        for (size_t bytes = 0; bytes < 300000; bytes = bytes * 5 / 2 + 1) {
            void *block = NULL;
            CHECK(posix_memalign(&block, alignment, bytes) == 0);
            check_aligned(block, alignment, bytes);
            check_aligned(memalign(alignment, bytes), alignment, bytes);
            check_aligned(aligned_alloc(alignment, bytes), alignment, bytes);
        }
    }
}

int main(void)
{
    void *const untouched = &errno;
    void *block = untouched;
    good_alignments();
    static const size_t bad[] = {0, 1, 2, 4, 7, 24, 100, ((size_t)1 << 63) + 8};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 1789;
        CHECK(posix_memalign(&block, bad[i], 100) == EINVAL);
        CHECK(block == untouched && errno == 1789);
    }
    size_t huge_alignment = SIZE_MAX;
    OPAQUE(huge_alignment);
    size_t odd_alignment = 24; /* rounded up */
    OPAQUE(odd_alignment);
    errno = 0;
    CHECK(memalign(huge_alignment, 4096) == NULL && errno == EINVAL);
    errno = 0;
    CHECK(memalign(4096, huge_alignment - 4095) == NULL && errno == ENOMEM);
    check_aligned(memalign(odd_alignment, 100), 32, 100);
    check_aligned(aligned_alloc(64, 65), 64, 65);
    check_aligned(valloc(100), 4096, 100);
    check_aligned(pvalloc(0), 4096, 1);
    check_aligned(pvalloc(4097), 4096, 8192);
    return 0;
}
