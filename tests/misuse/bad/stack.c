/* SPDX-License-Identifier: MIT */
/* A local variable. */
#include "misuse.h"

void make_bad_pointer(uintptr_t parameter)
{
    char local[64];
    (void)parameter;
    bad_is(unknown(local));
}
