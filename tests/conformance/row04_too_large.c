/* SPDX-License-Identifier: MIT */
/* Row 4: what can never be served is refused with ENOMEM by every function and at every alignment. */
#include <malloc.h>

#include "conformance.h"

#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        void *refused = (call);                                                                                        \
        CHECK(refused == NULL && errno == ENOMEM);                                                                     \
    } while (0)

static void try_size(size_t bytes)
{
    void *block = malloc(16);
    OPAQUE(bytes);
    REFUSED(malloc(bytes));
    REFUSED(calloc(1, bytes));
    REFUSED(calloc(bytes, 1));
    REFUSED(realloc(NULL, bytes));
    REFUSED(realloc(block, bytes));
    REFUSED(reallocarray(block, 1, bytes));
    REFUSED(valloc(bytes));
    REFUSED(pvalloc(bytes));
    for (int shift = 4; shift < 62; shift++) {
        void *aligned = &aligned;
        REFUSED(memalign((size_t)1 << shift, bytes));
        REFUSED(aligned_alloc((size_t)1 << shift, bytes));
        CHECK(posix_memalign(&aligned, (size_t)1 << shift, bytes) == ENOMEM);
        CHECK(aligned == &aligned);
    }
    free(block);
}

int main(void)
{
    for (size_t i = 0; i < 20; i++)
        try_size(SIZE_MAX - i * 1000);
    for (size_t i = 1; i < 20; i++)
        try_size((size_t)PTRDIFF_MAX + i * 4096);
    try_size((size_t)1 << 62);
    return 0;
}
