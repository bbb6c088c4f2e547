/* SPDX-License-Identifier: MIT */
/* Implementation of alloc/retire.h. */
#include "alloc/retire.h"

#include "alloc/counts/count.h"
#include "world/critical.h"
#include "world/thread.h"

void gci_retire_thread(void)
{
    gci_count_thread_ends();
    critical_enter();
    gci_thread_detach();
    critical_leave();
}

bool gci_retire_for_now(void)
{
    if (gci_thread_self == NULL)
        return false;
    gci_retire_thread();
    critical_enter();
    gci_thread_allow_attach();
    critical_leave();
    return true;
}
