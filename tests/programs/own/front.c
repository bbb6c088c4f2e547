/* SPDX-License-Identifier: MIT */
/* A library with a malloc that is put in front of gcalloc: nothing is used twice, and what is freed has to be from
 * here. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES ((size_t)64 << 20)
#define ALIGNMENT ((size_t)16)

static _Alignas(16) char arena[ARENA_BYTES];
static size_t used;

void *malloc(size_t bytes)
{
    size_t whole = (bytes + 2 * ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (whole < bytes || whole > ARENA_BYTES - used)
        return NULL;
    char *block = arena + used + ALIGNMENT;
    used += whole;
    memcpy(block - ALIGNMENT, &bytes, sizeof bytes);
    return block;
}

void free(void *block)
{
    if (block != NULL && (uintptr_t)block - (uintptr_t)arena >= ARENA_BYTES)
        abort();
}

#include "from_malloc.h"
