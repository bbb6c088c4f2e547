/* SPDX-License-Identifier: MIT */
/* The library that planted.c opens. */
#include <stdlib.h>
#include <string.h>

struct link {
    struct link *next;
    char rest[56];
};

static struct link *kept;

void leak_five(void)
{
    for (int i = 0; i < 5; i++)
        memset(malloc(sizeof(struct link)), 1, sizeof(struct link));
}

void keep_seven(void)
{
    for (int i = 0; i < 7; i++) {
        struct link *link = calloc(1, sizeof *link);
        link->next = kept;
        kept = link;
    }
}
