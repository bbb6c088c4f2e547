/* SPDX-License-Identifier: MIT */
/* Implementation of foreign.h. */
#include "foreign.h"

#include <gcalloc.h>
#include <string.h>

#include "fuzz.h"

void exclude_foreign_memory(void)
{
    char line[512];
    unsigned long lo, hi;
    FILE *maps = fopen("/proc/self/maps", "re");
    REQUIRE(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        REQUIRE(sscanf(line, "%lx-%lx", &lo, &hi) == 2);
        if (strstr(line, "[stack]") == NULL)
            REQUIRE(gca_roots_exclude((void *)lo, (void *)hi) == 0);
    }
    (void)fclose(maps);
}
