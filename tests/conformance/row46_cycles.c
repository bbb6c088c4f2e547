/* SPDX-License-Identifier: MIT */
/* Rows 45, 46, 50: what is unreachable is freed while the program runs, cycles included: memory stays bounded. */
#include <sys/resource.h>

#include "conformance.h"

struct node {
    struct node *forward;
    struct node *back;
    char rest[100];
};

static __attribute__((noinline)) void make_ring(int length)
{
    struct node *first = malloc(sizeof *first);
    struct node *last = first;
    for (int i = 1; i < length; i++) {
        struct node *node = malloc(sizeof *node);
        node->back = last;
        last->forward = node;
        last = node;
    }
    last->forward = first;
    first->back = last;
    OPAQUE(first); /* else the compiler leaves the last two stores out, and what was in the memory before stays */
}

int main(void)
{
    struct rusage usage;
    if (!collect())
        return 0; /* nothing to be seen on a malloc without a collector */
    for (int i = 0; i < 20000; i++)
        make_ring(1 + i % 400); /* 470 MB in all */
    getrusage(RUSAGE_SELF, &usage);
    CHECK(usage.ru_maxrss < 80 << 10);
    return 0;
}
