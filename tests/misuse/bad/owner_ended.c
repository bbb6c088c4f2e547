/* SPDX-License-Identifier: MIT */
/* Made by a thread that has ended, then freed. */
#include "misuse.h"

static void *make(void *data)
{
    *(void **)data = take(48);
    return NULL;
}

void make_bad_pointer(uintptr_t parameter)
{
    static void *p;
    (void)parameter;
    run_thread(make, &p);
    give(p);
    bad_is(p);
}
