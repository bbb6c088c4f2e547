/* SPDX-License-Identifier: MIT */
/* Rows 1, 2, 3: every size is served, aligned to 16, writable, and disjoint from all others; so is size 0. */
#include "conformance.h"

#define BLOCKS 2000

struct held {
    unsigned char *block;
    size_t bytes;
};

static struct held held[BLOCKS];

static void check_and_free(struct held *h)
{
    unsigned char pattern = (unsigned char)((uintptr_t)h->block >> 4);
    for (size_t i = 0; i < h->bytes; i++)
        CHECK(h->block[i] == pattern);
    free(h->block);
    h->block = NULL;
}

static void serve(size_t bytes)
{
    static unsigned next;
    struct held *h = &held[next++ * 7919u % BLOCKS];
    if (h->block != NULL)
        check_and_free(h);
    h->block = malloc(bytes);
    h->bytes = bytes;
    CHECK(h->block != NULL);
    CHECK((uintptr_t)h->block % 16 == 0);
    memset(h->block, (unsigned char)((uintptr_t)h->block >> 4), bytes);
}

int main(void)
{
    for (size_t bytes = 0; bytes <= 65536; bytes += bytes < 2048 ? 1 : 13)
        serve(bytes);
    for (int shift = 11; shift < 25; shift++)
        for (int delta = -32; delta <= 32; delta += 8)
            serve(((size_t)1 << shift) + (size_t)delta);
    for (int i = 0; i < BLOCKS; i++)
        if (held[i].block != NULL)
            check_and_free(&held[i]);
    void *a = malloc(0);
    void *b = malloc(0);
    CHECK(a != NULL && b != NULL && a != b);
    free(a);
    free(b);
    return 0;
}
