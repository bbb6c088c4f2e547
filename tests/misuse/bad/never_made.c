/* SPDX-License-Identifier: MIT */
/* The address of a block that was never handed out: the last one of a fresh 64 KiB. */
#include "misuse.h"

void make_bad_pointer(uintptr_t bytes)
{
    char *p = take(bytes);
    char *unit = p - (uintptr_t)p % 65536;
    bad_is(unit + (65536 / bytes - 1) * bytes);
}
