/* SPDX-License-Identifier: MIT */
/* Blocks that the C library made are freed, resized and measured by the swapped functions, and stay the C library's. */
#include "check.h"

#include <dirent.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>
#include <wchar.h>

#define ROUNDS 200

static bool is_ours(const void *block)
{
    return gca_base(block) != NULL;
}

static void test_text(void)
{
    char *text = NULL;
    CHECK(asprintf(&text, "%d %s", 42, "blocks") == 9);
    CHECK(!is_ours(text) && malloc_usable_size(text) >= 10);
    text = realloc(text, 5000);
    CHECK(strcmp(text, "42 blocks") == 0 && malloc_usable_size(text) >= 5000);
    text = reallocarray(text, 100, 100);
    CHECK(strcmp(text, "42 blocks") == 0);
    free(text);
    wchar_t *wide = wcsdup(L"wide");
    CHECK(!is_ours(wide));
    free(wide);
}

static void test_paths(void)
{
    char *path = realpath("/proc/..", NULL);
    char *folder = getcwd(NULL, 0);
    CHECK(!is_ours(path) && strcmp(path, "/") == 0 && !is_ours(folder) && folder[0] == '/');
    free(path);
    CHECK(realloc(folder, 0) == NULL);
    struct dirent **entries;
    int count = scandir("/etc", &entries, NULL, alphasort);
    CHECK(count > 2);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
}

static void test_streams(void)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    for (int i = 0; i < 1000; i++)
        fprintf(stream, "line %d\n", i);
    fclose(stream);
    CHECK(!is_ours(text) && bytes > 7000 && strlen(text) == bytes);
    free(text);
}

/* Blocks of ours that the library fills but does not resize. */
static void test_buffers(void)
{
    FILE *stream = tmpfile();
    char *buffer = malloc(BUFSIZ);
    CHECK(stream != NULL && setvbuf(stream, buffer, _IOFBF, BUFSIZ) == 0);
    for (int i = 0; i < 10000; i++)
        fprintf(stream, "%d\n", i);
    CHECK(is_ours(buffer) && fclose(stream) == 0);
    free(buffer);
}

int main(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        test_text();
        test_paths();
        test_streams();
        test_buffers();
        if (i % 20 == 0)
            gca_collect();
    }
    return check_result();
}
