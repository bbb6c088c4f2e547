/* SPDX-License-Identifier: MIT */
/* Rows 17, 18: the tuning and reporting functions exist, answer sensibly, and print what is to be printed. */
#include <malloc.h>
#include <sys/mman.h>

#include "conformance.h"

extern void free_sized(void *, size_t) __attribute__((weak));
extern void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));

/* What is written to standard error meanwhile. */
static off_t bytes_told(void (*tell)(void))
{
    int usual = dup(STDERR_FILENO), file = memfd_create("told", 0);
    CHECK(usual >= 0 && file >= 0 && dup2(file, STDERR_FILENO) == STDERR_FILENO);
    tell();
    CHECK(dup2(usual, STDERR_FILENO) == STDERR_FILENO);
    return lseek(file, 0, SEEK_END);
}

/* The C library has them from 2.42 on. */
static void free_with_sizes(void)
{
    CHECK((free_sized != NULL && free_aligned_sized != NULL) || !collect());
    if (free_sized != NULL)
        free_sized(malloc(100), 100);
    if (free_aligned_sized != NULL)
        free_aligned_sized(aligned_alloc(64, 128), 64, 128);
}

int main(void)
{
    char *text = NULL;
    size_t bytes = 0;
    struct mallinfo2 before = mallinfo2();
    char *block = malloc(40000000);
    memset(block, 1, 40000000);
    struct mallinfo2 after = mallinfo2();
    CHECK(after.uordblks + after.hblkhd >= before.uordblks + before.hblkhd + 39000000);
    free(block);
    CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1);
    CHECK(mallopt(M_ARENA_MAX, 2) == 1);
    CHECK(malloc_trim(0) == 0 || malloc_trim(0) <= 1);
    FILE *stream = open_memstream(&text, &bytes);
    CHECK(malloc_info(0, stream) == 0);
    CHECK(malloc_info(1, stream) != 0);
    fclose(stream);
    CHECK(strncmp(text, "<malloc version=", 16) == 0 && strstr(text, "</malloc>") != NULL);
    free(text);
    CHECK(bytes_told(malloc_stats) > 0);
    free_with_sizes();
    return 0;
}
