/* SPDX-License-Identifier: MIT */
/* Linked with libgcalloc_core.so, run with libgcalloc.so in front, as `gcalloc run` does: the functions of the first are never
 * called, so it must not be there to be asked either. */
#include <stdlib.h>

#include "check.h"

/* The mapping by whose name other processes know that the library can be asked. */
static unsigned libraries_that_can_be_asked(void)
{
    unsigned found = 0;
    char line[1024];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        found += strstr(line, "memfd:gcalloc:") != NULL;
    if (maps != NULL)
        fclose(maps);
    return found;
}

int main(void)
{
    char *block = (char *)unknown(malloc(100));
    CHECK(libraries_that_can_be_asked() == 1);
    CHECK(block != NULL && gca_base(block + 50) == block); /* malloc has the same heap */
    free(block);
    return check_failures != 0;
}
