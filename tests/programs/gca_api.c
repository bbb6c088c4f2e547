/* SPDX-License-Identifier: MIT */
/* gcalloc.h, allocation and questions: each function and macro does what its comment there says. */
#include "check.h"

#include <stdlib.h>

#define MIB ((size_t)1 << 20)

static const size_t sizes[] = {0, 1, 15, 16, 17, 48, 100, 1000, 5000, 32768, 32769, 100000, 3 * MIB + 5};
#define SIZE_COUNT (sizeof sizes / sizeof *sizes)

struct node {
    struct node *next;
    long value;
};

/* Gives back what was dirty, so that zeros are not zero by chance. */
static void leave_dirty(size_t bytes)
{
    void *blocks[8];
    for (size_t i = 0; i < 8; i++) {
        blocks[i] = gca_malloc_atomic(bytes);
        memset(blocks[i], 0xee, gca_usable_size(blocks[i]));
    }
    for (size_t i = 0; i < 8; i++)
        gca_free(blocks[i]);
}

static void test_zero_filled(void)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        size_t bytes = sizes[i];
        void *made[4];
        leave_dirty(bytes);
        made[0] = gca_malloc(bytes);
        made[1] = gca_malloc_uncollectable(bytes);
        made[2] = gca_calloc(1, bytes);
        made[3] = gca_calloc(bytes, 1);
        for (size_t j = 0; j < 4; j++) {
            CHECK(made[j] != NULL && (uintptr_t)made[j] % 16 == 0);
            CHECK(is_filled(made[j], 0, bytes));
            CHECK(gca_usable_size(made[j]) >= bytes);
            memset(made[j], 0xee, bytes);
        }
        for (size_t j = 0; j < 4; j++)
            gca_free(made[j]);
    }
}

static void test_atomic(void)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        char *p = gca_malloc_atomic(sizes[i]);
        char *q = gca_malloc_atomic_array(sizes[i], 1);
        CHECK(p != NULL && q != NULL && p != q);
        CHECK((uintptr_t)p % 16 == 0 && (uintptr_t)q % 16 == 0);
        memset(p, 1, sizes[i]);
        memset(q, 2, sizes[i]);
        CHECK(is_filled(p, 1, sizes[i]) && is_filled(q, 2, sizes[i]));
        gca_free(p);
        gca_free(q);
    }
}

#define CHECK_NO_MEMORY(call)                                                                                          \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        CHECK((call) == NULL);                                                                                         \
        CHECK(errno == ENOMEM);                                                                                        \
    } while (0)

static void test_impossible_sizes(void)
{
    volatile size_t huge = SIZE_MAX / 4;
    volatile size_t all = SIZE_MAX;
    volatile size_t half = SIZE_MAX / 2 + 1;
    CHECK_NO_MEMORY(gca_malloc(huge));
    CHECK_NO_MEMORY(gca_malloc(all));
    CHECK_NO_MEMORY(gca_malloc_atomic(huge));
    CHECK_NO_MEMORY(gca_malloc_uncollectable(huge));
    CHECK_NO_MEMORY(gca_calloc(half, 2));
    CHECK_NO_MEMORY(gca_calloc(2, half));
    CHECK_NO_MEMORY(gca_calloc(huge, 1));
    CHECK_NO_MEMORY(gca_malloc_atomic_array(half, 2));
    CHECK_NO_MEMORY(gca_reallocarray(NULL, half, 2));
    CHECK_NO_MEMORY(gca_aligned_alloc(16, huge));
    CHECK_NO_MEMORY(gca_aligned_alloc(huge + 1, 16));
    CHECK_NO_MEMORY(GCA_NEW_ARRAY(struct node, half));
    CHECK_NO_MEMORY(GCA_NEW_ATOMIC_ARRAY(struct node, half));
}

static void test_realloc(void)
{
    volatile size_t huge = SIZE_MAX / 4;
    volatile size_t three = 3;
    char *p = gca_realloc(NULL, 100);
    CHECK(p != NULL && is_filled(p, 0, 100));
    memset(p, 7, 100);
    for (size_t i = 1; i < SIZE_COUNT; i++) {
        size_t kept = sizes[i] < 100 ? sizes[i] : 100;
        p = gca_realloc(p, sizes[i]);
        CHECK(p != NULL && is_filled(p, 7, kept));
        memset(p, 7, kept);
        p = gca_realloc(p, 100);
        CHECK(p != NULL && is_filled(p, 7, kept));
        memset(p, 7, 100);
    }
    CHECK_NO_MEMORY(gca_realloc(p, huge));
    CHECK_NO_MEMORY(gca_reallocarray(p, huge * 2, three));
    CHECK(is_filled(p, 7, 100) && gca_base(p) == p);
    p = gca_reallocarray(p, 30, 10);
    CHECK(p != NULL && is_filled(p, 7, 100));
    CHECK(gca_realloc(p, 0) == NULL);
}

/* Bytes past the old size are zero, whatever was there. */
static void test_realloc_zero_tail(void)
{
    static const size_t steps[][3] = {{10, 14, 16},
                                      {10, 100, 1000},
                                      {1000, 40000, 200000},
                                      {48, 30, 48},
                                      {100000, 70000, 100000},
                                      {100, 10, 100},
                                      {5000, 3000, 4500},
                                      {3 * MIB, MIB + 1, 3 * MIB},
                                      {MIB, MIB + 4000, 9 * MIB}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        for (int kind = 0; kind < 2; kind++) {
            char *p = kind == 0 ? gca_malloc(steps[i][0]) : gca_malloc_uncollectable(steps[i][0]);
            memset(p, 0xee, steps[i][0]);
            for (size_t step = 1; step < 3; step++) {
                size_t old = steps[i][step - 1];
                size_t bytes = steps[i][step];
                leave_dirty(bytes);
                p = gca_realloc(p, bytes);
                CHECK(p != NULL && is_filled(p, 0xee, old < bytes ? old : bytes));
                if (bytes > old && !is_filled(p + old, 0, bytes - old)) {
                    fprintf(stderr, "kind %d, from %zu by way of %zu to %zu: ", kind, steps[i][0], old, bytes);
                    CHECK(!"the bytes past the old size are zero");
                }
                memset(p, 0xee, bytes);
            }
            gca_free(p);
        }
    }
}

static void check_aligned(size_t alignment, size_t bytes)
{
    char *p = gca_aligned_alloc(alignment, bytes);
    CHECK(p != NULL && (uintptr_t)p % alignment == 0 && (uintptr_t)p % 16 == 0);
    CHECK(gca_usable_size(p) >= bytes && gca_base(p) == p);
    memset(p, 1, bytes < MIB ? bytes : MIB);
    gca_free(p);
}

static void test_aligned(void)
{
    for (size_t alignment = 1; alignment <= 64 * MIB; alignment *= 2) {
        check_aligned(alignment, 0);
        check_aligned(alignment, alignment / 2 + 1);
        check_aligned(alignment, alignment);
        check_aligned(alignment, 3 * alignment);
    }
    static const size_t wrong[] = {0, 3, 24, 4095, SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        errno = 0;
        void *p = gca_aligned_alloc(*(volatile const size_t *)&wrong[i], 100);
        CHECK(p == NULL && errno == EINVAL);
    }
}

static void test_strings(void)
{
    char unterminated[4] = {'a', 'b', 'c', 'd'};
    char *copy = gca_strdup("");
    CHECK(copy != NULL && strcmp(copy, "") == 0);
    gca_free(copy);
    char *longer = gca_malloc_atomic(100001);
    memset(longer, 'x', 100000);
    longer[100000] = '\0';
    copy = gca_strdup(longer);
    CHECK(copy != longer && strcmp(copy, longer) == 0);
    gca_free(copy);
    copy = gca_strndup(unterminated, 4);
    CHECK(memcmp(copy, "abcd", 5) == 0);
    gca_free(copy);
    copy = gca_strndup(unterminated, 0);
    CHECK(copy[0] == '\0');
    gca_free(copy);
    copy = gca_strndup("abc", SIZE_MAX);
    CHECK(strcmp(copy, "abc") == 0);
    gca_free(copy);
    gca_free(longer);
}

static void test_free(void)
{
    errno = 55;
    gca_free(NULL);
    gca_free(gca_malloc(10));
    gca_free(gca_malloc(10 * MIB));
    CHECK(errno == 55);
}

static void test_typed(void)
{
    leave_dirty(sizeof(struct node));
    struct node *one = GCA_NEW(struct node);
    struct node *many = GCA_NEW_ARRAY(struct node, 10);
    long *number = GCA_NEW_ATOMIC(long);
    long *numbers = GCA_NEW_ATOMIC_ARRAY(long, 1000);
    CHECK(gca_usable_size(one) >= sizeof *one && one->next == NULL && one->value == 0);
    CHECK(gca_usable_size(many) >= 10 * sizeof *many && is_filled(many, 0, 10 * sizeof *many));
    CHECK(gca_usable_size(number) >= sizeof *number);
    CHECK(gca_usable_size(numbers) >= 1000 * sizeof *numbers);
    gca_free(one);
    gca_free(many);
    gca_free(number);
    gca_free(numbers);
}

static void test_base(void)
{
    int local;
    CHECK(gca_base(NULL) == NULL && gca_base(&local) == NULL && gca_base(sizes) == NULL);
    CHECK(gca_base(unknown((void *)~(uintptr_t)0)) == NULL && gca_base(unknown((void *)16)) == NULL);
    CHECK(gca_usable_size(NULL) == 0);
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        char *p = gca_malloc(sizes[i]);
        size_t usable = gca_usable_size(p);
        CHECK(usable >= sizes[i] && gca_usable_size(p) == usable);
        CHECK(gca_base(p) == p && gca_base(p + usable / 2) == p && gca_base(p + usable - 1) == p);
        CHECK(gca_base(p + usable) != p);
        gca_free(p);
        CHECK(gca_base(unknown(p)) == NULL);
    }
}

#ifdef MALLOC_REPLACED
/* One kind of memory: either family takes the other's. */
static void test_same_memory(void)
{
    char *p = malloc(100);
    CHECK(gca_base(p + 50) == p && gca_usable_size(p) >= 100);
    p = gca_realloc(p, 1000);
    p = realloc(p, 100);
    gca_free(p);
    free(gca_malloc(10));
    free(gca_malloc_atomic(100000));
    free(gca_malloc_uncollectable(100));
    free(gca_strdup("text"));
    gca_free(strdup("text"));
}
#endif

int main(void)
{
    test_zero_filled();
    test_atomic();
    test_impossible_sizes();
    test_realloc();
    test_realloc_zero_tail();
    test_aligned();
    test_strings();
    test_free();
    test_typed();
    test_base();
#ifdef MALLOC_REPLACED
    test_same_memory();
#endif
    return check_result();
}
