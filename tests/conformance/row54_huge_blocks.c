/* SPDX-License-Identifier: MIT */
/* Row 54: blocks of more than 4 GiB: a pointer far inside keeps one, and pointers far inside it keep others. */
#include <malloc.h>

#include "conformance.h"

#define GIB ((size_t)1 << 30)
#define BYTES (5 * GIB)
#define FAR (4 * GIB + 123456 * sizeof(void *))

static char *inside;

/* The memory is hardly touched, so only address space is needed, and a system that counts lightly. */
static __attribute__((noinline)) int fill(void)
{
    char *huge = malloc(BYTES);
    if (huge == NULL) {
        CHECK(errno == ENOMEM);
        return 0;
    }
    CHECK(malloc_usable_size(huge) >= BYTES);
    *(char **)(huge + FAR) = make_held();
    *(char **)(huge + BYTES - sizeof(char *)) = make_held();
    huge[0] = 'a';
    inside = huge + FAR - 5000;
    return 1;
}

static __attribute__((noinline)) void check_and_free(void)
{
    char *huge = inside + 5000 - FAR;
    check_held(*(char **)(huge + FAR));
    check_held(*(char **)(huge + BYTES - sizeof(char *)));
    CHECK(huge[0] == 'a');
    huge = realloc(huge, 100000);
    CHECK(huge != NULL && huge[0] == 'a');
    free(huge);
    inside = NULL;
}

int main(void)
{
    for (int round = 0; round < 3; round++) {
        if (!fill())
            return 0; /* the system does not give as much */
        clear_stack();
        collect_and_reuse(HELD_BYTES);
        check_and_free();
    }
    return 0;
}
