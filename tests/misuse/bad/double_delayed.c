/* SPDX-License-Identifier: MIT */
/* Freed again after a thousand other requests, none of which can have got the block. */
#include "misuse.h"

void make_bad_pointer(uintptr_t parameter)
{
    (void)parameter;
    void *p = take(48);
    give(p);
    for (size_t i = 0; i < 1000; i++) {
        void *other = take(200 + i % 400);
        require(other != p, "other blocks");
        if (i % 3 != 0)
            give(other);
    }
    bad_is(p);
}
