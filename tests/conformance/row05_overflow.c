/* SPDX-License-Identifier: MIT */
/* Row 5: products that overflow are refused, in either order. */
#include "conformance.h"

static void refuse(size_t a, size_t b)
{
    void *block = malloc(10);
    OPAQUE(a);
    errno = 0;
    CHECK(calloc(a, b) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(calloc(b, a) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(reallocarray(block, a, b) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(reallocarray(block, b, a) == NULL && errno == ENOMEM);
    free(block);
}

int main(void)
{
    size_t all = SIZE_MAX;
    OPAQUE(all);
    refuse(SIZE_MAX, 2);
    refuse(SIZE_MAX / 2 + 1, 2);
    refuse(65537, SIZE_MAX / 65537 + 1);
    refuse((size_t)1 << 32, (size_t)1 << 32);
    void *nothing = calloc(0, all);
    CHECK(nothing != NULL);
    free(nothing);
    return 0;
}
