/* SPDX-License-Identifier: MIT */
/* Into a block that another thread made. */
#include "misuse.h"

void make_bad_pointer(uintptr_t offset)
{
    bad_on_another_thread();
    char *p = take(200);
    bad_is_inside(p + offset, p);
}
