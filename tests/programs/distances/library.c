/* SPDX-License-Identifier: MIT */
/* A library under fontconfig's name, which does as that one: a set holds its blocks by their distances from it, so none of
 * its words is their address. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "distances.h"

#define BLOCKS ((size_t)3000)
#define BLOCK_BYTES ((size_t)40)
#define BYTE 0x5a

struct set {
    intptr_t distances; /* of the table, from here; then of the blocks, from the table */
    size_t count;
};

static intptr_t *table_of(const struct set *set)
{
    return (intptr_t *)((uintptr_t)set + (uintptr_t)set->distances);
}

static unsigned char *block_of(const struct set *set, size_t i)
{
    intptr_t *table = table_of(set);
    return (unsigned char *)((uintptr_t)table + (uintptr_t)table[i]);
}

/* All three ways to memory: the set by malloc, its table by realloc of nothing, the blocks by malloc, calloc and realloc. */
void *distances_new(void)
{
    struct set *set = malloc(sizeof *set);
    intptr_t *table = realloc(NULL, BLOCKS * sizeof *table);
    *set = (struct set){.distances = (intptr_t)((uintptr_t)table - (uintptr_t)set), .count = BLOCKS};
    for (size_t i = 0; i < BLOCKS; i++) {
        unsigned char *block = i % 2 == 0 ? malloc(BLOCK_BYTES / 2) : calloc(1, BLOCK_BYTES / 2);
        if (i % 3 == 0)
            block = realloc(block, BLOCK_BYTES * 10);
        memset(block, BYTE, BLOCK_BYTES / 2);
        table[i] = (intptr_t)((uintptr_t)block - (uintptr_t)table);
    }
    return set;
}

size_t distances_count_whole(const void *handle)
{
    const struct set *set = handle;
    size_t whole = 0;
    for (size_t i = 0; i < set->count; i++) {
        const unsigned char *block = block_of(set, i);
        size_t good = 0;
        while (good < BLOCK_BYTES / 2 && block[good] == BYTE)
            good++;
        whole += good == BLOCK_BYTES / 2;
    }
    return set->count == BLOCKS ? whole : 0;
}

size_t distances_count(void)
{
    return BLOCKS;
}

void distances_free(void *handle)
{
    struct set *set = handle;
    for (size_t i = 0; i < set->count; i++)
        free(block_of(set, i));
    free(table_of(set));
    free(set);
}
