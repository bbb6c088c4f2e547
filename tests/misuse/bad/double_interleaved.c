/* SPDX-License-Identifier: MIT */
/* Free a, free b, free a. */
#include "misuse.h"

void make_bad_pointer(uintptr_t parameter)
{
    (void)parameter;
    void *a = take(48);
    void *b = take(48);
    give(a);
    give(b);
    bad_is(a);
}
