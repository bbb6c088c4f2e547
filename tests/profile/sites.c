/* SPDX-License-Identifier: MIT */
/* Compiled with gcalloc/replace.h and GCALLOC_SITES: the lines that test_profile.py looks for are marked. */
#include <stdlib.h>
#include <string.h>

static void *kept[400];

int main(void)
{
    for (int i = 0; i < 100; i++) {
        kept[i] = malloc(50);              /* line: malloc */
        kept[100 + i] = calloc(2, 30);     /* line: calloc */
        kept[200 + i] = strdup("text");    /* line: strdup */
        kept[300 + i] = realloc(NULL, 70); /* line: realloc */
    }
    return kept[399] == NULL;
}
