/* SPDX-License-Identifier: MIT */
/* Into a block of 1 MiB. */
#include "misuse.h"

void make_bad_pointer(uintptr_t offset)
{
    char *p = take((size_t)1 << 20);
    bad_is_inside(p + offset, p);
}
