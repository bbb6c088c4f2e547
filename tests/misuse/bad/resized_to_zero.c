/* SPDX-License-Identifier: MIT */
/* A block that realloc to 0 bytes has freed. */
#include "misuse.h"

void make_bad_pointer(uintptr_t bytes)
{
    void *p = take(bytes);
    require(resize(p, 0) == NULL, "NULL from realloc to 0 bytes");
    bad_is(p);
}
