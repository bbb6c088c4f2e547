/* SPDX-License-Identifier: MIT */
/* A malloc of the program's that counts what goes through it and takes the rest from the C library's, with gcalloc in front of
 * that: its blocks are gcalloc's as they are. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

void *__libc_malloc(size_t bytes);               // NOLINT(bugprone-reserved-identifier)
void *__libc_calloc(size_t count, size_t bytes); // NOLINT(bugprone-reserved-identifier)
void *__libc_realloc(void *block, size_t bytes); // NOLINT(bugprone-reserved-identifier)
void __libc_free(void *block);                   // NOLINT(bugprone-reserved-identifier)

static size_t calls;

__attribute__((destructor)) static void check_calls(void)
{
    if (calls == 0) {
        fputs("nothing went through the program's malloc\n", stderr);
        _Exit(1);
    }
}

void *malloc(size_t bytes)
{
    calls++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    calls++;
    return __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes)
{
    calls++;
    return __libc_realloc(block, bytes);
}

void free(void *block)
{
    calls++;
    __libc_free(block);
}
