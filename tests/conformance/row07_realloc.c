/* SPDX-License-Identifier: MIT */
/* Rows 7, 8, 9: realloc keeps min(old, new) bytes, realloc(NULL, n) allocates, realloc(p, 0) frees, failure changes
 * nothing, shrinking large blocks returns memory. */
#include <malloc.h>

#include "conformance.h"

static void fill(unsigned char *block, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++)
        block[i] = (unsigned char)(i * 31 + seed);
}

static void check(const unsigned char *block, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++)
        CHECK(block[i] == (unsigned char)(i * 31 + seed));
}

static void walk_sizes(void)
{
    size_t bytes = 10;
    unsigned random = 12345;
    unsigned char *block = realloc(NULL, bytes);
    fill(block, bytes, 1);
    for (int i = 0; i < 4000; i++) {
        random = random * 1103515245 + 12345;
        size_t wanted = 1 + (random >> 8) % (i % 5 == 0 ? 900000 : 5000);
        block = realloc(block, wanted);
        CHECK(block != NULL);
        check(block, bytes < wanted ? bytes : wanted, (unsigned)i + 1);
        bytes = wanted;
        fill(block, bytes, (unsigned)i + 2);
    }
    free(block);
}

int main(void)
{
    walk_sizes();
    unsigned char *block = malloc(1000);
    fill(block, 1000, 9);
    size_t impossible = SIZE_MAX - 5000;
    OPAQUE(impossible);
    CHECK(realloc(block, impossible) == NULL && errno == ENOMEM);
    check(block, 1000, 9);
    CHECK(realloc(block, 0) == NULL);
    size_t large = (size_t)200 << 20;
    block = malloc(large);
    memset(block, 1, large);
    block = realloc(block, 100000);
    CHECK(block[99999] == 1);
    malloc_trim(0);
    CHECK(resident_bytes() < 100 << 20);
    free(block);
    return 0;
}
