/* SPDX-License-Identifier: MIT */
/* As reclaimed.c, but nothing of the neighbourhood lives on; also large blocks, each of which is alone. */
#include "misuse.h"

#define BLOCKS 20000
#define BLOCKS_OF_LARGE 8
#define SMALL_MAX 32768

static uintptr_t hidden[BLOCKS];
static size_t count;

static __attribute__((noinline)) void make_blocks(size_t bytes)
{
    for (size_t i = 0; i < count; i++) {
        hidden[i] = ~(uintptr_t)take(bytes);
        require(hidden[i] != ~(uintptr_t)0, "memory");
    }
}

void make_bad_pointer(uintptr_t bytes)
{
    count = bytes > SMALL_MAX ? BLOCKS_OF_LARGE : BLOCKS;
    make_blocks(bytes);
    collect_cleanly();
    for (size_t i = count / 2; i < count; i++) {
        if (gca_base((void *)~hidden[i]) == NULL) {
            bad_is((void *)~hidden[i]);
            return;
        }
    }
    require(false, "a block that was reclaimed");
}
