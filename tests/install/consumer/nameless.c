/* SPDX-License-Identifier: MIT */
/* A user's program that never names malloc: only functions of the C library call it. */
#include <gcalloc.h>
#include <stdio.h>

int main(int count, char **words)
{
    char *text = NULL;
    if (asprintf(&text, "%d %s", count, words[0]) < 0)
        return 1;
    printf("library=%d\n", gca_base(text) == text);
    return 0;
}
