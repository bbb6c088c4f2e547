/* SPDX-License-Identifier: MIT */
/* Swaps malloc and its family for gcalloc in the C sources that are compiled with
 *
 *     -include gcalloc/replace.h        (what `pkg-config --cflags gcalloc-replace` prints)
 *
 * and linked with -lgcalloc_core. The C library and other libraries keep their own malloc. Memory may still cross over:
 * free, realloc and malloc_usable_size below take blocks of either kind, so what asprintf, realpath or a library returns
 * can be freed as always; getline and getdelim are swapped too, since they grow a block of the caller's.
 *
 * What cannot cross over: a block of the swapped malloc that another library frees or resizes by itself. Link with
 * -lgcalloc instead where that happens; then there is one malloc only.
 *
 * It includes headers of the C library before the first line of a source, so feature test macros that the source defines come
 * too late: give them to the compiler (-D_GNU_SOURCE= for a source that says #define _GNU_SOURCE).
 *
 * With -DGCALLOC_SITES each call of malloc, calloc, realloc, strdup and strndup tells the profiler file, line and function
 * (gcalloc/profile.h), with or without debug information. These five are function-like macros then: a member of that name
 * cannot be called, and an address that is taken of one says nothing of its calls.
 *
 * Otherwise the names are object-like macros, so that addresses of functions (`table.alloc = malloc`) and members that happen to
 * be called malloc or free are treated alike everywhere in a source. In C++ nothing is swapped (std::malloc and members
 * of templates could not be): operator new and delete come with -lgcalloc.
 */
#ifndef GCALLOC_REPLACE_H
#define GCALLOC_REPLACE_H

#include <gcalloc.h>

#if !defined(__cplusplus)

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As the functions of the C library without the prefix; errors and errno are theirs. Memory of the allocating ones is
 * scanned for pointers and collected when unreachable; that of strdup and strndup is not scanned. */
GCA_API void *gca_replace_malloc(size_t bytes) GCA_ATTR_MALLOC GCA_ATTR_SIZE(1);
GCA_API void *gca_replace_realloc(void *block, size_t bytes) GCA_ATTR_RESULT GCA_ATTR_SIZE(2);
GCA_API void *gca_replace_reallocarray(void *block, size_t count, size_t bytes) GCA_ATTR_RESULT GCA_ATTR_SIZE2(2, 3);
GCA_API void gca_replace_free(void *block);
GCA_API void *gca_replace_memalign(size_t alignment, size_t bytes) GCA_ATTR_MALLOC GCA_ATTR_SIZE(2);
GCA_API int gca_replace_posix_memalign(void **block, size_t alignment, size_t bytes) GCA_ATTR_RESULT;
GCA_API void *gca_replace_valloc(size_t bytes) GCA_ATTR_MALLOC GCA_ATTR_SIZE(1);
GCA_API void *gca_replace_pvalloc(size_t bytes) GCA_ATTR_MALLOC GCA_ATTR_SIZE(1);
GCA_API size_t gca_replace_usable_size(void *block);
GCA_API long gca_replace_getdelim(char **line, size_t *bytes, int delimiter, FILE *stream) GCA_ATTR_RESULT;
GCA_API long gca_replace_getline(char **line, size_t *bytes, FILE *stream) GCA_ATTR_RESULT;

/* A call; static storage. */
struct gca_site {
    const char *file;
    const char *function;
    unsigned line;
};
GCA_API void *gca_site_malloc(size_t bytes, const struct gca_site *site) GCA_ATTR_MALLOC GCA_ATTR_SIZE(1);
GCA_API void *gca_site_calloc(size_t count, size_t bytes, const struct gca_site *site) GCA_ATTR_MALLOC
    GCA_ATTR_SIZE2(1, 2);
GCA_API void *gca_site_realloc(void *block, size_t bytes, const struct gca_site *site) GCA_ATTR_RESULT GCA_ATTR_SIZE(2);
GCA_API char *gca_site_strdup(const char *text, const struct gca_site *site) GCA_ATTR_MALLOC;
GCA_API char *gca_site_strndup(const char *text, size_t limit, const struct gca_site *site) GCA_ATTR_MALLOC;

#undef malloc
#undef calloc
#undef realloc
#undef reallocarray
#undef free
#undef cfree
#undef aligned_alloc
#undef memalign
#undef posix_memalign
#undef valloc
#undef pvalloc
#undef malloc_usable_size
#undef strdup
#undef strndup
#undef getdelim
#undef getline

#if defined(GCALLOC_SITES)
#define GCA_HERE_                                                                                                      \
    (__extension__({                                                                                                   \
        static const struct gca_site gca_here_ = {__FILE__, __func__, __LINE__};                                       \
        &gca_here_;                                                                                                    \
    }))
#define malloc(bytes) gca_site_malloc((bytes), GCA_HERE_)
#define calloc(count, bytes) gca_site_calloc((count), (bytes), GCA_HERE_)
#define realloc(block, bytes) gca_site_realloc((block), (bytes), GCA_HERE_)
#define strdup(text) gca_site_strdup((text), GCA_HERE_)
#define strndup(text, limit) gca_site_strndup((text), (limit), GCA_HERE_)
#else
#define malloc gca_replace_malloc
#define calloc gca_calloc
#define realloc gca_replace_realloc
#define strdup gca_strdup
#define strndup gca_strndup
#endif
#define reallocarray gca_replace_reallocarray
#define free gca_replace_free
#define cfree gca_replace_free
#define aligned_alloc gca_aligned_alloc
#define memalign gca_replace_memalign
#define posix_memalign gca_replace_posix_memalign
#define valloc gca_replace_valloc
#define pvalloc gca_replace_pvalloc
#define malloc_usable_size gca_replace_usable_size
#define getdelim gca_replace_getdelim
#define getline gca_replace_getline

#endif
#endif
