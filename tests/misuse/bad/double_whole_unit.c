/* SPDX-License-Identifier: MIT */
/* Freed again after everything around it was freed, so that its memory may have gone back to the heap. */
#include "misuse.h"

#define BLOCKS 20000

void make_bad_pointer(uintptr_t parameter)
{
    static void *blocks[BLOCKS];
    (void)parameter;
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = take(48);
    for (size_t i = 0; i < BLOCKS; i++)
        give(blocks[i]);
    bad_is(blocks[BLOCKS / 2]);
}
