/* SPDX-License-Identifier: MIT */
/* A program that is not position-independent and hands malloc and free on by their addresses, which lie in itself then, whoever
 * has the functions. That is a library in front of gcalloc here, without reallocarray. */
#include <stdio.h>
#include <stdlib.h>

static const struct functions {
    void *(*get)(size_t bytes);
    void (*give)(void *block);
} functions = {malloc, free};

int main(void)
{
    const struct functions *volatile called = &functions;
    for (size_t i = 1; i < 1000; i++) {
        called->give(called->get(i));
        called->give(reallocarray(called->get(i), i, 3));
    }
    puts("done");
    return 0;
}
