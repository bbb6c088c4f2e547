/* SPDX-License-Identifier: MIT */
/* The address of a block that was never handed out: the first of a fresh 64 KiB, which would come last. */
#include "misuse.h"

void make_bad_pointer(uintptr_t bytes)
{
    char *p = take(bytes);
    char *unit = p - (uintptr_t)p % 65536;
    bad_is(unit);
}
