/* SPDX-License-Identifier: MIT */
/* Programs that bring a malloc of their own, as browsers do: it is in front of ours, and every library has it. What such a
 * program leaves to us works by its malloc, as the same functions of the C and C++ libraries do. Where malloc is replaced only.
 */
#ifndef GCI_API_OWN_MALLOC_H
#define GCI_API_OWN_MALLOC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

enum own_malloc {
    OWN_NONE,      /* malloc is ours */
    OWN_PASSES_ON, /* the program's hands out our blocks as they are */
    OWN_HEADED,    /* it hands out places inside of our blocks */
    OWN_ELSEWHERE, /* it has its memory from elsewhere */
};

/* Once, before the program has threads: whether there is one. The program's malloc is not called, as what it needs may be made
 * by a constructor of the program, and ours comes first. */
void gci_own_malloc_look(void);

bool gci_own_malloc_is_there(void);

/* Once the options are known: a line for those who ask, for what is told of leaks or of memory has nothing of its blocks. */
void gci_own_malloc_tell(void);

/* Which sort. Asks the program's malloc the first time: only where a malloc in the C library's place would be called as well. */
enum own_malloc gci_own_malloc_kind(void);

/* Memory from there, as the C++ library asks for it; alignment 0: any that malloc gives. */
void *gci_own_malloc_new(size_t bytes, size_t alignment);

/* The process's realloc. */
void *gci_own_malloc_resize(void *block, size_t bytes);

/* How many bytes a block of there can take: what it has of our block, or 0 where nobody knows. */
size_t gci_own_malloc_usable(const void *block);

/* malloc and free of this library by names in front of which nobody stands. api/malloc.c */
void *gci_malloc_here(size_t bytes) HIDDEN;
void gci_free_here(void *block) HIDDEN;

#endif
