/* SPDX-License-Identifier: MIT */
/* Memory that the program got by moving its break. */
#include "misuse.h"

#include <unistd.h>

void make_bad_pointer(uintptr_t parameter)
{
    (void)parameter;
    void *p = sbrk(4096);
    require((intptr_t)p != -1, "a break that moves");
    bad_is(p);
}
