/* SPDX-License-Identifier: MIT */
/* An aligned block freed twice. */
#include "misuse.h"

void make_bad_pointer(uintptr_t alignment)
{
    void *p = take_aligned(alignment, 100);
    require(p != NULL && (uintptr_t)p % alignment == 0, "an aligned block");
    give(p);
    bad_is(p);
}
