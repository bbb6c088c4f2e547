/* SPDX-License-Identifier: MIT */
/* A local variable, on a thread that is not the main one. */
#include "misuse.h"

static void *use_local(void *data)
{
    char local[64];
    (void)data;
    bad_is(unknown(local));
    return NULL;
}

void make_bad_pointer(uintptr_t parameter)
{
    bad_on_another_thread();
    (void)parameter;
    run_thread(use_local, NULL);
}
