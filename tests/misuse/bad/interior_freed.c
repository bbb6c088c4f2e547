/* SPDX-License-Identifier: MIT */
/* Into a block that was freed: no block has that start. */
#include "misuse.h"

void make_bad_pointer(uintptr_t offset)
{
    char *p = take(200);
    void *keeps_neighbourhood = take(200);
    require(keeps_neighbourhood != NULL, "a second block");
    give(p);
    bad_is(p + offset);
}
