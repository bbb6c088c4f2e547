/* SPDX-License-Identifier: MIT */
/* What workload.c opens and closes. */
#include <stdlib.h>

void *module_allocates(void);

void *module_allocates(void)
{
    void *volatile block = malloc(77); /* a call, not a jump */
    return block;
}
