/* SPDX-License-Identifier: MIT */
/* Only what standard C has, compiled as C99, C11 and the newest C of the compiler, without extensions of the
 * library. */
#include <gcalloc.h>
#include <stdlib.h>
#include <string.h>

static int is_ours(const void *block)
{
    return gca_base(block) == block;
}

int main(void)
{
    volatile size_t huge = (size_t)-1;
    char *p = malloc(100);
    if (!is_ours(p))
        return 1;
    memset(p, 1, 100);
    p = realloc(p, 100000);
    if (!is_ours(p) || p[99] != 1)
        return 2;
    free(p);
    p = calloc(10, 10);
    if (!is_ours(p) || p[0] != 0 || p[99] != 0)
        return 3;
    if (realloc(p, 0) != NULL || is_ours(p))
        return 4;
    if (calloc(huge, 2) != NULL || malloc(huge) != NULL)
        return 5;
    free(NULL);
    p = realloc(NULL, 10);
    if (!is_ours(p))
        return 6;
    free(p);
    return 0;
}
