/* SPDX-License-Identifier: MIT */
/* The rest of a 64 KiB unit that is too small for another block. */
#include "misuse.h"

void make_bad_pointer(uintptr_t parameter)
{
    (void)parameter;
    char *p = take(48);
    char *unit = p - (uintptr_t)p % 65536;
    bad_is(unit + 65536 / 48 * 48);
}
