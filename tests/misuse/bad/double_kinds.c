/* SPDX-License-Identifier: MIT */
/* Blocks of every kind: 0 atomic, 1 uncollectable, 2 a copy of a string, 3 a zeroed array, 4 a large atomic one. */
#include "misuse.h"

void make_bad_pointer(uintptr_t kind)
{
    void *p = kind == 0   ? gca_malloc_atomic(48)
              : kind == 1 ? gca_malloc_uncollectable(48)
              : kind == 2 ? gca_strdup("text")
              : kind == 3 ? gca_calloc(3, 16)
                          : gca_malloc_atomic((size_t)1 << 20);
    gca_free(unknown(p));
    bad_is(p);
}
