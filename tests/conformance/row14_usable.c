/* SPDX-License-Identifier: MIT */
/* Row 14: usable size is at least the request, all of it writable, 0 for NULL, and stays what it was. */
#include <malloc.h>

#include "conformance.h"

int main(void)
{
    CHECK(malloc_usable_size(NULL) == 0);
    for (size_t bytes = 0; bytes < 500000; bytes = bytes * 9 / 8 + 1) {
        char *a = malloc(bytes);
        char *b = malloc(bytes);
        size_t usable = malloc_usable_size(a);
        CHECK(usable >= bytes);
        memset(b, 1, malloc_usable_size(b));
        memset(a, 2, usable);
        CHECK(malloc_usable_size(a) == usable);
        for (size_t i = 0; i < malloc_usable_size(b); i++)
            CHECK(b[i] == 1);
        a = realloc(a, bytes + 1);
        CHECK(malloc_usable_size(a) >= bytes + 1);
        free(a);
        free(b);
    }
    return 0;
}
