/* SPDX-License-Identifier: MIT */
/* A mapping of the program's own, at its start or inside. */
#include "misuse.h"

#include <sys/mman.h>

void make_bad_pointer(uintptr_t offset)
{
    char *p = mmap(NULL, (size_t)1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(p != MAP_FAILED, "a mapping");
    bad_is(p + offset);
}
