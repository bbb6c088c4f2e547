/* SPDX-License-Identifier: MIT */
/* The old address of a block that realloc has moved. */
#include "misuse.h"

void make_bad_pointer(uintptr_t bytes)
{
    static void *moved;
    void *p = take(bytes);
    void *behind = take(bytes); /* a large block cannot grow in place */
    moved = resize(p, bytes * 20);
    require(behind != NULL && moved != NULL && moved != p, "a block that moves");
    bad_is(p);
}
