/* SPDX-License-Identifier: MIT */
/* The functions behind gcalloc/replace.h. In the core library `free` and its like below are the C library's; where malloc
 * is replaced they are ours, and a block that is not from the heap is then a mistake like any other. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include <gcalloc.h>

#include "api/family.h"
#include "profile/sampler.h"

#define GCALLOC_SITES /* declares all there is */
#include <gcalloc/replace.h>
#undef malloc
#undef calloc
#undef realloc
#undef strdup
#undef strndup
#undef free
#undef malloc_usable_size

STATIC_ASSERT(sizeof(struct gca_site) == sizeof(struct site_place) &&
                  offsetof(struct gca_site, line) == offsetof(struct site_place, line),
              "the same struct, as the public header and the profiler have it");

#define FIRST_LINE_BYTES 120

static bool is_ours(const void *block)
{
    return heap_contains(&gci_heap, (uintptr_t)block);
}

GCA_API void *gca_replace_malloc(size_t bytes)
{
    return alloc_fast(bytes, KIND_SCANNED);
}

GCA_API void gca_replace_free(void *block)
{
    if (is_ours(block))
        free_fast(block, "free");
    else
        free(block);
}

GCA_API void *gca_replace_realloc(void *block, size_t bytes)
{
    if (block == NULL)
        return gca_replace_malloc(bytes);
    return is_ours(block) ? family_realloc(block, bytes, false, "realloc") : realloc(block, bytes);
}

GCA_API void *gca_replace_reallocarray(void *block, size_t count, size_t bytes)
{
    size_t total;
    return multiply_sizes(count, bytes, &total) ? gca_replace_realloc(block, total) : family_no_memory();
}

GCA_API void *gca_replace_memalign(size_t alignment, size_t bytes)
{
    return family_memalign(alignment, bytes);
}

GCA_API int gca_replace_posix_memalign(void **block, size_t alignment, size_t bytes)
{
    return family_posix_memalign(block, alignment, bytes);
}

GCA_API void *gca_replace_valloc(size_t bytes)
{
    return family_valloc(bytes);
}

GCA_API void *gca_replace_pvalloc(size_t bytes)
{
    return family_pvalloc(bytes);
}

GCA_API size_t gca_replace_usable_size(void *block)
{
    return is_ours(block) ? gci_usable_bytes(block, "malloc_usable_size") : malloc_usable_size(block);
}

/* ---- Calls that say where they stand ------------------------------------------------------------------------------ */

/* For the profiler, if the call is a sample: two stores where it is none. */
static void *leave_site(void *block)
{
    gci_sampler_place = NULL;
    return block;
}

static void enter_site(const struct gca_site *site)
{
    gci_sampler_place = (const struct site_place *)site;
}

GCA_API void *gca_site_malloc(size_t bytes, const struct gca_site *site)
{
    enter_site(site);
    return leave_site(gca_replace_malloc(bytes));
}

GCA_API void *gca_site_calloc(size_t count, size_t bytes, const struct gca_site *site)
{
    enter_site(site);
    return leave_site(gca_calloc(count, bytes));
}

GCA_API void *gca_site_realloc(void *block, size_t bytes, const struct gca_site *site)
{
    enter_site(site);
    return leave_site(gca_replace_realloc(block, bytes));
}

GCA_API char *gca_site_strdup(const char *text, const struct gca_site *site)
{
    enter_site(site);
    return leave_site(gca_strdup(text));
}

GCA_API char *gca_site_strndup(const char *text, size_t limit, const struct gca_site *site)
{
    enter_site(site);
    return leave_site(gca_strndup(text, limit));
}

/* Room for one more byte and the terminator. */
static bool make_room(char **line, size_t *bytes, size_t used)
{
    if (*line != NULL && *bytes != 0 && used + 2 <= *bytes)
        return true;
    size_t wanted = *line == NULL || *bytes < FIRST_LINE_BYTES ? FIRST_LINE_BYTES : *bytes * 2;
    char *larger =
        gca_replace_realloc(*bytes == 0 ? NULL : *line, wanted); /* without a size the pointer says nothing */
    if (larger == NULL)
        return false;
    *line = larger;
    *bytes = wanted;
    return true;
}

static long read_line(char **line, size_t *bytes, int delimiter, FILE *stream)
{
    size_t used = 0;
    for (bool is_open = true; is_open;) {
        int c = getc_unlocked(stream);
        if (c != EOF && !make_room(line, bytes, used))
            return -1;
        if (c != EOF)
            (*line)[used++] = (char)c;
        is_open = c != EOF && c != delimiter;
    }
    if (used == 0)
        return -1;
    (*line)[used] = '\0';
    return (long)used;
}

GCA_API long gca_replace_getdelim(char **line, size_t *bytes, int delimiter, FILE *stream)
{
    if (line == NULL || bytes == NULL || stream == NULL) {
        errno = EINVAL;
        return -1;
    }
    flockfile(stream);
    long length = ferror_unlocked(stream) ? -1 : read_line(line, bytes, delimiter, stream);
    funlockfile(stream);
    return length;
}

GCA_API long gca_replace_getline(char **line, size_t *bytes, FILE *stream)
{
    return gca_replace_getdelim(line, bytes, '\n', stream);
}
