/* SPDX-License-Identifier: MIT */
/* The swapped family at its edges: the results and errors of the C library. */
#include "check.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static bool is_aligned(const void *block, size_t alignment)
{
    return block != NULL && (uintptr_t)block % alignment == 0 && gca_base(block) == block;
}

static void test_posix_memalign(void)
{
    static const size_t wrong[] = {0, 1, 2, 4, 3, 12, 24, 100, 4095, SIZE_MAX};
    void *p = &p;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        errno = 77;
        CHECK(posix_memalign(&p, wrong[i], 100) == EINVAL && p == &p && errno == 77);
    }
    CHECK(posix_memalign(&p, 64, SIZE_MAX / 4) == ENOMEM && p == &p);
    for (size_t alignment = sizeof(void *); alignment <= MIB; alignment *= 2) {
        errno = 77;
        CHECK(posix_memalign(&p, alignment, alignment + 1) == 0 && is_aligned(p, alignment) && errno == 77);
        free(p);
    }
    CHECK(posix_memalign(&p, 64, 0) == 0 && is_aligned(p, 64));
    free(p);
}

static void check_and_free(void *block, size_t alignment, size_t bytes)
{
    CHECK(is_aligned(block, alignment) && malloc_usable_size(block) >= bytes);
    memset(block, 1, bytes);
    free(block);
}

static void test_other_alignments(void)
{
    volatile size_t not_a_power = 48;
    volatile size_t enormous = SIZE_MAX / 2 + 2;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    check_and_free(aligned_alloc(4096, 100), 4096, 100); /* the size need not be a multiple */
    check_and_free(memalign(128, 1000), 128, 1000);
    check_and_free(memalign(not_a_power, 1000), 64, 1000); /* rounded up to a power of two */
    check_and_free(memalign(0, 10), 16, 10);
    check_and_free(valloc(10), page, 10);
    check_and_free(valloc(3 * page + 1), page, 3 * page + 1);
    check_and_free(pvalloc(page + 1), page, 2 * page);
    check_and_free(pvalloc(0), page, page);
    errno = 0;
    CHECK(aligned_alloc(not_a_power, 48) == NULL && errno == EINVAL);
    errno = 0;
    CHECK(memalign(enormous, 48) == NULL && errno == EINVAL);
    errno = 0;
    CHECK(valloc(enormous) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(pvalloc(SIZE_MAX - 10 + not_a_power - 48) == NULL && errno == ENOMEM);
}

static void test_resizing(void)
{
    volatile size_t half = SIZE_MAX / 2 + 1;
    char *p = realloc(NULL, 10);
    CHECK(is_aligned(p, 16));
    memcpy(p, "123456789", 10);
    p = reallocarray(p, 1000, 10);
    CHECK(strcmp(p, "123456789") == 0 && malloc_usable_size(p) >= 10000);
    errno = 0;
    CHECK(reallocarray(unknown(p), half, 2) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(realloc(p, half) == NULL && errno == ENOMEM);
    CHECK(strcmp(p, "123456789") == 0);
    CHECK(realloc(p, 0) == NULL && gca_base(unknown(p)) == NULL);
    p = reallocarray(NULL, 5, 5);
    CHECK(is_aligned(p, 16));
    CHECK(reallocarray(unknown(p), 0, 5) == NULL && gca_base(unknown(p)) == NULL);
    errno = 0;
    CHECK(calloc(half, 2) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(malloc(half) == NULL && errno == ENOMEM);
}

static void test_small_things(void)
{
    void *a = malloc(0);
    void *b = calloc(0, 5);
    void *c = calloc(5, 0);
    CHECK(is_aligned(a, 16) && is_aligned(b, 16) && is_aligned(c, 16) && a != b && b != c && a != c);
    errno = 77;
    free(a);
    free(b);
    cfree(c);
    free(NULL);
    CHECK(errno == 77 && malloc_usable_size(NULL) == 0);
}

static void test_strings(void)
{
    char *p = strdup("");
    CHECK(is_aligned(p, 16) && *p == '\0');
    free(p);
    p = strndup("abcdef", 3);
    CHECK(is_aligned(p, 16) && strcmp(p, "abc") == 0);
    p = realloc(p, 100);
    CHECK(strcmp(p, "abc") == 0);
    free(p);
    p = strndup("abc", 100);
    CHECK(strcmp(p, "abc") == 0);
    free(p);
    p = strndup("abc", 0);
    CHECK(*p == '\0');
    free(p);
}

int main(void)
{
    test_posix_memalign();
    test_other_alignments();
    test_resizing();
    test_small_things();
    test_strings();
    return check_result();
}
