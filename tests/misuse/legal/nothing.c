/* SPDX-License-Identifier: MIT */
/* NULL is a block like any other to free, and no block to the rest; errno survives free. */
#include "legal.h"

#include <errno.h>
#include <malloc.h>

int main(void)
{
    void *volatile none = NULL;
    errno = 77;
    free(none);
    gca_free(none);
    REQUIRE(errno == 77);
    REQUIRE(malloc_usable_size(none) == 0 && gca_usable_size(none) == 0);
    void *p = realloc(none, 100);
    void *q = reallocarray(none, 10, 10);
    REQUIRE(p != NULL && q != NULL && p != q);
    free(q);
    REQUIRE(realloc(p, 0) == NULL);
    void *empty = malloc(0);
    void *other_empty = malloc(0);
    REQUIRE(empty != NULL && empty != other_empty);
    errno = 77;
    free(empty);
    free(other_empty);
    void *large = malloc((size_t)5 << 20);
    free(large);
    REQUIRE(errno == 77);
    return 0;
}
