/* SPDX-License-Identifier: MIT */
/* A program that brings a malloc and nothing else, with gcalloc in front: it frees nothing that it has from there, and what it
 * has from others goes back there. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define ALIGNMENT ((size_t)16)

static _Alignas(16) char arena[1 << 20];
static size_t used;

void *malloc(size_t bytes)
{
    size_t taken = (bytes + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    if (taken > sizeof arena - used)
        return NULL;
    used += taken;
    return arena + used - taken;
}

int main(void)
{
    const char *block = malloc(10);
    if (block < arena || block >= arena + sizeof arena)
        return 1;
    for (size_t i = 1; i < 1000; i++)
        free(reallocarray(calloc(i, 2), i, 3));
    puts("done");
    return 0;
}
