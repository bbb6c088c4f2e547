/* SPDX-License-Identifier: MIT */
/* Blocks from before main, and from before any constructor, are freed, resized and asked for their size later. */
#include "legal.h"

#include <malloc.h>

static char *from_preinit;
static char *from_first;
static char *from_last;
static char *from_library;

static char *make(const char *text)
{
    char *copy = strdup(text);
    REQUIRE(copy != NULL);
    return copy;
}

static void before_constructors(int argc, char **argv, char **environment)
{
    (void)argc, (void)argv, (void)environment;
    from_preinit = make("before constructors");
}

__attribute__((section(".preinit_array"), used)) static void (*const preinit)(int, char **,
                                                                              char **) = before_constructors;

__attribute__((constructor(102))) static void first(void)
{
    from_first = make("first");
    from_library = realpath("/", NULL);
}

__attribute__((constructor)) static void last(void)
{
    from_last = make("last");
}

int main(void)
{
    REQUIRE(malloc_usable_size(from_preinit) >= 20 && strcmp(from_preinit, "before constructors") == 0);
    from_first = realloc(from_first, 10000);
    REQUIRE(from_first != NULL && strcmp(from_first, "first") == 0);
    REQUIRE(strcmp(from_library, "/") == 0);
    free(from_preinit);
    free(from_first);
    free(from_last);
    free(from_library);
    return 0;
}
