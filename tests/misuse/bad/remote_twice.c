/* SPDX-License-Identifier: MIT */
/* Freed by two threads, neither of which made it. */
#include "misuse.h"

static void *free_it(void *data)
{
    give(data);
    return NULL;
}

void make_bad_pointer(uintptr_t bytes)
{
    bad_on_another_thread();
    void *p = take(bytes);
    run_thread(free_it, p);
    bad_is(p);
}
