/* SPDX-License-Identifier: MIT */
/* Freed again after half of its freed neighbours have new owners. */
#include "misuse.h"

#define BLOCKS 256

void make_bad_pointer(uintptr_t parameter)
{
    void *blocks[BLOCKS];
    void *again[BLOCKS / 2];
    (void)parameter;
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = take(48);
    for (size_t i = 0; i < BLOCKS; i++)
        give(blocks[i]);
    for (size_t i = 0; i < BLOCKS / 2; i++)
        again[i] = take(48);
    for (size_t i = 0; i < BLOCKS; i++) {
        bool is_free = true;
        for (size_t j = 0; j < BLOCKS / 2; j++)
            is_free = is_free && blocks[i] != again[j];
        if (is_free) {
            bad_is(blocks[i]);
            return;
        }
    }
    require(false, "a block that is still free");
}
