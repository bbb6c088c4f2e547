/* SPDX-License-Identifier: MIT */
/* Each program in bad/ makes one pointer that must not be given to the allocator; misuse.c then hands it to the
 * function that the command line names. The pointer is kept as its complement, so that nothing here keeps a block
 * alive.
 *
 * Built twice: for libgcalloc, where blocks come from malloc, and with CORE_ONLY for libgcalloc_core. */
#ifndef GCALLOC_TESTS_MISUSE_H
#define GCALLOC_TESTS_MISUSE_H

#include <gcalloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What each program defines: calls one of the bad_ functions. `parameter` is from the command line, 0 without one. */
void make_bad_pointer(uintptr_t parameter);

void bad_is(const void *pointer);
void bad_is_inside(const void *pointer, const void *start);

/* The misuse itself happens on a thread that is not the main one. It is started here, before the block is made:
 * starting a thread allocates, and might get the memory of the block. */
void bad_on_another_thread(void);

/* A thread from its start to its end. */
void run_thread(void *(*body)(void *), void *argument);

/* Ends the test with a line on standard error when the program could not set up its case. */
void require(bool condition, const char *what);

/* Overwrites old copies of pointers below the caller's frame, then runs a collection. */
void collect_cleanly(void);

/* The compiler no longer knows where the pointer is from: it warns of misuse, and drops calls. */
static inline void *unknown(const void *pointer)
{
    void *result = (void *)(uintptr_t)pointer;
    __asm__ volatile("" : "+r"(result));
    return result;
}

#ifdef CORE_ONLY
#define take gca_malloc
#define take_aligned gca_aligned_alloc
#define resize gca_realloc
#define give(p) gca_free(unknown(p))
#else
#define take malloc
#define take_aligned aligned_alloc
#define resize realloc
#define give(p) free(unknown(p))
#endif

#ifdef __cplusplus
}
#endif
#endif
