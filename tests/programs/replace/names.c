/* SPDX-License-Identifier: MIT */
/* gcalloc/replace.h swaps names, not calls: addresses of functions, members, parameters and locals that are called
 * malloc or free still mean what the program means. */
#include "check.h"

#include <malloc.h>
#include <stdlib.h>

struct allocator {
    void *(*malloc)(size_t bytes);
    void *(*realloc)(void *block, size_t bytes);
    void (*free)(void *block);
    int calloc; /* not even a function */
};

static size_t own_calls;

static void *own_malloc(size_t bytes)
{
    own_calls++;
    return malloc(bytes);
}

static void own_free(void *block)
{
    own_calls++;
    free(block);
}

static bool is_ours(const void *block)
{
    return gca_base(block) == block;
}

static void check_allocator(const struct allocator *allocator)
{
    char *p = allocator->malloc(100);
    CHECK(is_ours(p));
    p = (*allocator->realloc)(p, 10000);
    CHECK(is_ours(p) && gca_usable_size(p) >= 10000);
    allocator->free(p);
    CHECK(!is_ours(unknown(p)) && allocator->calloc == 7);
}

static void call_parameter(void (*free)(void *), void *block)
{
    free(block);
}

static void test_members(void)
{
    const struct allocator named = {.malloc = malloc, .realloc = realloc, .free = free, .calloc = 7};
    const struct allocator by_order = {own_malloc, &realloc, own_free, 7};
    check_allocator(&named);
    CHECK(own_calls == 0);
    check_allocator(&by_order);
    CHECK(own_calls == 2);
}

static void test_addresses(void)
{
    void *(*const makers[])(size_t) = {malloc, valloc, pvalloc, gca_malloc};
    void (*release)(void *) = &free;
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        void *p = makers[i](100);
        CHECK(is_ours(p));
        release(p);
    }
    call_parameter(free, malloc(10));
    call_parameter(cfree, malloc(10));
    call_parameter((free), (malloc)(10)); /* parentheses keep function-like macros away, not these */
    char *(*copy)(const char *) = strdup;
    char *text = copy("text");
    CHECK(is_ours(text) && strcmp(text, "text") == 0);
    free(text);
}

static void test_locals(void)
{
    int malloc = 3;
    CHECK(malloc + 1 == 4);
    goto free;
free:
    CHECK(malloc == 3);
}

int main(void)
{
    test_members();
    test_addresses();
    test_locals();
    return check_result();
}
