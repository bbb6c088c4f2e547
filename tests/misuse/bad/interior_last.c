/* SPDX-License-Identifier: MIT */
/* The last byte of a block of this size; of 1000 bytes more than the program asked for are in the slot. */
#include "misuse.h"

void make_bad_pointer(uintptr_t bytes)
{
    char *p = take(bytes);
    size_t usable = gca_usable_size(p);
    require(usable >= bytes, "a usable size");
    bad_is_inside(p + usable - 1, p);
}
