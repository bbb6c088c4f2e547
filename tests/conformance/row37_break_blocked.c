/* SPDX-License-Identifier: MIT */
/* Row 37: the program break cannot grow, as a mapping lies right behind it. */
#include <sys/mman.h>

#include "conformance.h"

#define BLOCKS 60000

static char *blocks[BLOCKS];

int main(void)
{
    uintptr_t end = ((uintptr_t)sbrk(0) + 4095) & ~(uintptr_t)4095;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    CHECK(mmap((void *)end, 4096, PROT_NONE, flags, -1, 0) == (void *)end);
    errno = 0;
    CHECK(sbrk(1 << 20) == (void *)-1 && errno == ENOMEM);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            blocks[i] = malloc((size_t)(i % 2000 + 1));
            CHECK(blocks[i] != NULL);
            *blocks[i] = (char)i;
        }
        collect();
        for (int i = 0; i < BLOCKS; i++) {
            CHECK(*blocks[i] == (char)i);
            free(blocks[i]);
        }
    }
    return 0;
}
