/* SPDX-License-Identifier: MIT */
/* Within a terabyte of a block, but far behind all that was ever handed out. */
#include "misuse.h"

void make_bad_pointer(uintptr_t distance)
{
    char *p = take(48);
    bad_is((char *)unknown(p) + distance);
}
