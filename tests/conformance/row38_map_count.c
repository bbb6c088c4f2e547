/* SPDX-License-Identifier: MIT */
/* Row 38: with every mapping taken that the system allows, malloc answers, free keeps errno, collections go on. */
#include <sys/mman.h>

#include "conformance.h"

static void fill_mappings(void)
{
    char *area = mmap(NULL, (size_t)140000 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(area != MAP_FAILED);
    for (size_t i = 1; i < 140000; i += 2)
        if (mprotect(area + i * 4096, 4096, PROT_NONE) != 0)
            return;
}

int main(void)
{
    static void *blocks[2000];
    for (int i = 0; i < 1000; i++)
        blocks[i] = malloc(1000 * (size_t)(i % 300 + 1));
    fill_mappings();
    for (int i = 1000; i < 2000; i++) {
        blocks[i] = malloc(1000 * (size_t)(i % 300 + 1));
        CHECK(blocks[i] != NULL || errno == ENOMEM);
    }
    collect();
    errno = 1789;
    for (int i = 0; i < 2000; i++)
        free(blocks[i]);
    CHECK(errno == 1789);
    void *block = malloc(1000);
    CHECK(block != NULL);
    free(block);
    return 0;
}
