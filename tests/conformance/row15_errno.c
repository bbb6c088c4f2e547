/* SPDX-License-Identifier: MIT */
/* Rows 15, 16: free(NULL) does nothing; neither free nor a successful allocation changes errno. */
#include <malloc.h>

#include "conformance.h"

int main(void)
{
    errno = 1789;
    free(NULL);
    for (size_t bytes = 1; bytes < 50000000; bytes = bytes * 3 / 2 + 1) {
        void *a = malloc(bytes);
        void *b = calloc(1, bytes);
        void *c = memalign(256, bytes);
        a = realloc(a, bytes * 2);
        CHECK(a != NULL && b != NULL && c != NULL);
        CHECK(errno == 1789);
        free(a);
        free(b);
        free(c);
        CHECK(errno == 1789);
        collect();
        CHECK(errno == 1789);
    }
    return 0;
}
