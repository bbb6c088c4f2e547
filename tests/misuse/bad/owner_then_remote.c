/* SPDX-License-Identifier: MIT */
/* Freed by the thread that made it, then by another. */
#include "misuse.h"

void make_bad_pointer(uintptr_t bytes)
{
    bad_on_another_thread();
    void *p = take(bytes);
    give(p);
    bad_is(p);
}
