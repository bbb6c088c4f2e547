/* SPDX-License-Identifier: MIT */
/* Static storage: 0 initialised, 1 zero, 2 constant, 3 code, 4 thread-local, 5 of the C library. */
#include "misuse.h"

#include <stdio.h>

static char initialised[64] = "data";
static char zero[64];
static const char constant[64] = "constant";
static __thread char local[64];

void make_bad_pointer(uintptr_t which)
{
    const void *addresses[] = {initialised, zero, constant, (const void *)(uintptr_t)make_bad_pointer, local, stdout};
    require(which < sizeof addresses / sizeof *addresses, "such a kind");
    bad_is(unknown(addresses[which]));
}
