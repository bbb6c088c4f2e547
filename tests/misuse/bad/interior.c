/* SPDX-License-Identifier: MIT */
/* Into a small block, as far from its start as the command line says. */
#include "misuse.h"

void make_bad_pointer(uintptr_t offset)
{
    char *p = take(48);
    bad_is_inside(p + offset, p);
}
