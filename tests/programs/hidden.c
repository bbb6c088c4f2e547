/* SPDX-License-Identifier: MIT */
/* A program with a function by which gcalloc knows that it hides pointers is not collected, unless it is asked for: then
 * this is called with an argument. */
#include <gcalloc.h>
#include <stdio.h>
#include <stdlib.h>

int PL_initialise(void);

int PL_initialise(void)
{
    return 0;
}

int main(int count, char **arguments)
{
    (void)arguments;
    uint64_t expected = count > 1;
    struct gca_stats stats = {.size = sizeof stats};
    free(malloc(100));
    gca_collect();
    gca_stats_get(&stats);
    if (stats.cycles == expected)
        return 0;
    fprintf(stderr, "%llu cycles, expected %llu\n", (unsigned long long)stats.cycles, (unsigned long long)expected);
    return 1;
}
