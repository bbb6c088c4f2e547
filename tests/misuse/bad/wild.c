/* SPDX-License-Identifier: MIT */
/* Any number. */
#include "misuse.h"

void make_bad_pointer(uintptr_t number)
{
    bad_is((void *)number);
}
