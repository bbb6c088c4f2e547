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
 * Nothing of the C library is included, so feature test macros that a source defines in its first lines count. Most names are
 * object-like macros: what the headers of the C library declare later bears the new ones, and addresses of functions
 * (`table.alloc = malloc`) and members that happen to be called malloc are treated alike everywhere in a source. Where a header
 * says more of a name than a macro may change (what frees the result of strdup; getline as inline function), the symbol is
 * renamed instead.
 *
 * With -DGCALLOC_SITES each call of malloc, calloc, realloc, strdup and strndup tells the profiler file, line and function
 * (gcalloc/profile.h), with or without debug information. These five are function-like macros then: a member of that name
 * cannot be called, and an address that is taken of one says nothing of its calls. And the headers of the C library come before
 * the first line of a source: its feature test macros are to be given to the compiler (-D_GNU_SOURCE=).
 *
 * In C++ nothing is swapped (std::malloc and members of templates could not be): operator new and delete come with -lgcalloc.
 */
#ifndef GCALLOC_REPLACE_H
#define GCALLOC_REPLACE_H

#if defined(__cplusplus)
#include <gcalloc.h>
#else

#if defined(GCALLOC_SITES) || !defined(__PRAGMA_REDEFINE_EXTNAME)
#define GCA_HEADERS_FIRST_
#include <gcalloc.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#endif

/* As the functions of the C library without the prefix; errors and errno are theirs. Memory of the allocating ones is
 * scanned for pointers and collected when unreachable; that of strdup and strndup is not scanned. */
#if !defined(GCA_API)
#define GCA_API __attribute__((visibility("default"))) /* as in gcalloc.h, which is not included for the reason above */
#endif
#define GCA_MADE_ __attribute__((__malloc__, warn_unused_result))
#define GCA_USED_ __attribute__((warn_unused_result))
GCA_API void *gca_replace_malloc(__SIZE_TYPE__ bytes) GCA_MADE_ __attribute__((alloc_size(1)));
GCA_API void *gca_calloc(__SIZE_TYPE__ count, __SIZE_TYPE__ bytes) GCA_MADE_ __attribute__((alloc_size(1, 2)));
GCA_API void *gca_replace_realloc(void *block, __SIZE_TYPE__ bytes) GCA_USED_ __attribute__((alloc_size(2)));
GCA_API void *gca_replace_reallocarray(void *block, __SIZE_TYPE__ count, __SIZE_TYPE__ bytes) GCA_USED_
    __attribute__((alloc_size(2, 3)));
GCA_API void gca_replace_free(void *block);
GCA_API void *gca_aligned_alloc(__SIZE_TYPE__ alignment, __SIZE_TYPE__ bytes) GCA_MADE_ __attribute__((alloc_size(2)));
GCA_API void *gca_replace_memalign(__SIZE_TYPE__ alignment, __SIZE_TYPE__ bytes) GCA_MADE_
    __attribute__((alloc_size(2)));
GCA_API int gca_replace_posix_memalign(void **block, __SIZE_TYPE__ alignment, __SIZE_TYPE__ bytes) GCA_USED_;
GCA_API void *gca_replace_valloc(__SIZE_TYPE__ bytes) GCA_MADE_ __attribute__((alloc_size(1)));
GCA_API void *gca_replace_pvalloc(__SIZE_TYPE__ bytes) GCA_MADE_ __attribute__((alloc_size(1)));
GCA_API __SIZE_TYPE__ gca_replace_usable_size(void *block);

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

#if defined(GCA_HEADERS_FIRST_)
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

#define free gca_replace_free
#define getdelim gca_replace_getdelim
#define getline gca_replace_getline
#else
#pragma redefine_extname free gca_replace_free
#pragma redefine_extname strdup gca_strdup
#pragma redefine_extname strndup gca_strndup
#pragma redefine_extname getdelim gca_replace_getdelim
#pragma redefine_extname __getdelim gca_replace_getdelim
#pragma redefine_extname getline gca_replace_getline
#endif

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
#if defined(GCA_HEADERS_FIRST_)
#define strdup gca_strdup
#define strndup gca_strndup
#endif
#endif
#define reallocarray gca_replace_reallocarray
#define cfree gca_replace_free
#define aligned_alloc gca_aligned_alloc
#define memalign gca_replace_memalign
#define posix_memalign gca_replace_posix_memalign
#define valloc gca_replace_valloc
#define pvalloc gca_replace_pvalloc
#define malloc_usable_size gca_replace_usable_size

#endif
#endif
