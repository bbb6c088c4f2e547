/* SPDX-License-Identifier: MIT */
/* Freed twice in a row, for a size from the command line. */
#include "misuse.h"

void make_bad_pointer(uintptr_t bytes)
{
    void *p = take(bytes);
    give(p);
    bad_is(p);
}
