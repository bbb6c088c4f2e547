/* SPDX-License-Identifier: MIT */
/* A program whose malloc takes from a pool that a constructor of its own makes, with gcalloc in front. The C library, the only
 * one that is linked, asks for no memory before that, so gcalloc must not either. */
#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define POOL_BYTES ((size_t)64 << 20)
#define ALIGNMENT ((size_t)16)

static char *pool;
static size_t used;
static int early; /* requests before there was a pool */

__attribute__((constructor)) static void make_pool(void)
{
    pool = mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

void *malloc(size_t bytes)
{
    size_t taken = (bytes + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    if (pool == NULL) {
        early++;
        *(volatile char *)pool = 0; /* what a real one would do */
    }
    if (taken > POOL_BYTES - used)
        return NULL;
    used += taken;
    return pool + used - taken;
}

void free(void *block)
{
    (void)block;
}

void *calloc(size_t count, size_t bytes)
{
    return malloc(count * bytes); /* the pool is zero */
}

void *realloc(void *block, size_t bytes)
{
    char *moved = malloc(bytes);
    if (block != NULL && moved != NULL)
        memmove(moved, block, bytes);
    return moved;
}

int main(void)
{
    char *block = malloc(10);
    block = realloc(block, 100);
    block = reallocarray(block, 10, 30);
    size_t usable = malloc_usable_size(block); /* nobody knows: nothing may be relied on */
    free(block);
    if (early != 0 || usable != 0)
        fprintf(stderr, "early requests %d, usable %zu\n", early, usable);
    return early == 0 && usable == 0 ? 0 : 1;
}
