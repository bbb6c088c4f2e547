/* SPDX-License-Identifier: MIT */
/* What a source defines in its first lines counts, as without gcalloc/replace.h: here all of GNU, whose functions are declared
 * nowhere else. Whatever the compiler makes of the calls (an inline getline, a malloc that is filled with zeros), memory is
 * ours. */
#define _GNU_SOURCE
#include <gcalloc.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                              \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)
#define LINE "a line that getline has to make room for\n"
#define BYTES 300

static int is_ours(const void *block)
{
    return gca_base(block) == block;
}

static void check_and_free(void *block)
{
    CHECK(is_ours(block));
    free(block);
}

static void check_lines(void)
{
    char *line = NULL;
    size_t bytes = 0;
    FILE *stream = fmemopen(LINE LINE, sizeof LINE LINE - 1, "r");
    CHECK(stream != NULL);
    CHECK(getline(&line, &bytes, stream) == sizeof LINE - 1 && is_ours(line));
    CHECK(getdelim(&line, &bytes, 'l', stream) == 3 && strcmp(line, "a l") == 0);
    check_and_free(line);
    fclose(stream);
}

int main(void)
{
    char *text = NULL;
    void *aligned = NULL;
    void (*give_back)(void *block) = free;
    CHECK(asprintf(&text, "%d", 42) == 2 && strcmp(text, "42") == 0); /* the C library's own */
    give_back(text);
    char *zeros = malloc(BYTES);
    CHECK(zeros != NULL);
    memset(zeros, 0, BYTES);
    zeros = realloc(zeros, 2 * BYTES);
    check_and_free(zeros);
    check_and_free(calloc(BYTES, 1));
    check_and_free(reallocarray(NULL, BYTES, 2));
    check_and_free(strdup(LINE));
    check_and_free(strndup(LINE, 3));
    check_and_free(aligned_alloc(64, BYTES));
    check_and_free(memalign(64, BYTES));
    check_and_free(valloc(BYTES));
    CHECK(posix_memalign(&aligned, 64, BYTES) == 0 && malloc_usable_size(aligned) >= BYTES);
    check_and_free(aligned);
    free(wcsdup(L"the C library's"));
    check_lines();
    return 0;
}
