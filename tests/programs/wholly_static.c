/* SPDX-License-Identifier: MIT */
/* A program that is linked without any shared library: no loader is there to find the C library's own functions. */
#include <gcalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

int main(void)
{
    int ends[2];
    char *text = strdup("through a pipe");
    char *copy = malloc(100);
    CHECK(text != NULL && copy != NULL && pipe(ends) == 0);
    CHECK(write(ends[1], text, strlen(text) + 1) == (ssize_t)strlen(text) + 1);
    CHECK(read(ends[0], copy, 100) == (ssize_t)strlen(text) + 1);
    CHECK(strcmp(text, copy) == 0);
    free(text);
    for (int i = 0; i < 10000; i++)
        if (malloc(100) == NULL)
            return 2;
    CHECK(gca_collect() > 100000);
    CHECK(printf("%s\n", copy) > 0 && fflush(stdout) == 0);
    return 0;
}
