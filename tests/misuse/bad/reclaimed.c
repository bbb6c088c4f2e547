/* SPDX-License-Identifier: MIT */
/* Blocks of the size on the command line that a collection has reclaimed, next to some that live. */
#include "misuse.h"

#include <string.h>

#define BLOCKS 2000
#define KEPT_EACH 7

static uintptr_t hidden[BLOCKS];
static void *kept[BLOCKS / KEPT_EACH + 1];

static __attribute__((noinline)) void make_blocks(size_t bytes)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        void *p = take(bytes);
        require(p != NULL, "memory");
        memset(p, 0, bytes);
        if (i % KEPT_EACH == 0)
            kept[i / KEPT_EACH] = p;
        else
            hidden[i] = ~(uintptr_t)p;
    }
}

void make_bad_pointer(uintptr_t bytes)
{
    make_blocks(bytes);
    collect_cleanly();
    for (size_t i = BLOCKS / 2; i < BLOCKS; i++) {
        if (hidden[i] != 0 && gca_base((void *)~hidden[i]) == NULL) {
            bad_is((void *)~hidden[i]);
            return;
        }
    }
    require(false, "a block that was reclaimed");
}
