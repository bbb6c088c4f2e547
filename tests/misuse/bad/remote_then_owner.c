/* SPDX-License-Identifier: MIT */
/* Freed by another thread, then by the thread that made it. */
#include "misuse.h"

static void *free_it(void *data)
{
    give(data);
    return NULL;
}

void make_bad_pointer(uintptr_t bytes)
{
    void *p = take(bytes);
    run_thread(free_it, p);
    bad_is(p);
}
