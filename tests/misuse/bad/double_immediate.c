/* SPDX-License-Identifier: MIT */
/* Freed twice in a row. */
#include "misuse.h"

void make_bad_pointer(uintptr_t parameter)
{
    (void)parameter;
    void *p = take(48);
    give(p);
    bad_is(p);
}
