/* SPDX-License-Identifier: MIT */
/* A program that brings a malloc of its own, as browsers do, with gcalloc in front: every library has the program's, and what one
 * of them frees came from there. */
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../distances/distances.h"

#define ARENA_BYTES ((size_t)64 << 20) /* nothing is used twice */
#define ALIGNMENT ((size_t)16)

static _Alignas(16) char arena[ARENA_BYTES];
static size_t used;
static int strangers; /* blocks that were freed and are none of these */

/* Gives nothing for nothing, and asks the loader for something the first time. */
void *malloc(size_t bytes)
{
    static int has_asked;
    if (!has_asked) {
        has_asked = 1;
        (void)dlsym(RTLD_NEXT, "pthread_create");
    }
    if (bytes == 0)
        return NULL;
    size_t taken = __atomic_fetch_add(&used, (bytes + 2 * ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, __ATOMIC_RELAXED);
    char *block = arena + taken + ALIGNMENT;
    if (bytes > ARENA_BYTES || taken + bytes + ALIGNMENT > ARENA_BYTES)
        return NULL;
    memcpy(block - ALIGNMENT, &bytes, sizeof bytes);
    return block;
}

void free(void *block)
{
    uintptr_t distance = (uintptr_t)block - (uintptr_t)arena;
    if (block != NULL && distance >= ARENA_BYTES)
        strangers++;
}

#include "from_malloc.h"

/* Strict, as the standard has it. */
void *aligned_alloc(size_t alignment, size_t bytes)
{
    if (bytes == 0 || bytes % alignment != 0)
        return NULL;
    size_t block = (size_t)malloc(bytes + alignment);
    return block == 0 ? NULL : (void *)((block + alignment) / alignment * alignment);
}

/* C++ libraries call these, and programs whose compiler has written malloc and free in their place share blocks with them. */
void *_Znwm(size_t bytes);                                  // NOLINT(bugprone-reserved-identifier)
void _ZdlPv(void *block);                                   // NOLINT(bugprone-reserved-identifier)
void *_ZnwmSt11align_val_t(size_t bytes, size_t alignment); // NOLINT(bugprone-reserved-identifier)

static void mix_objects(void)
{
    for (size_t i = 1; i < 1000; i++) {
        free(_Znwm(i));
        _ZdlPv(malloc(i));
        _ZdlPv(_Znwm(i));
    }
    _ZdlPv(NULL);
    free(_Znwm(0)); /* has to be something: without, this ends in an exception */
    free(_ZnwmSt11align_val_t(0, 64));
    free(_ZnwmSt11align_val_t(100, 64));
}

int main(void)
{
    mix_objects();
    void *set = distances_new();
    int is_whole = distances_count_whole(set) == distances_count();
    distances_free(set);
    void *array = reallocarray(NULL, 10, 10);
    array = reallocarray(array, 20, 10);
    free(array);
    volatile size_t too_many = SIZE_MAX / 2;
    int is_refused = reallocarray(NULL, too_many, 4) == NULL && errno == ENOMEM;
    if (!is_whole || !is_refused || strangers != 0)
        fprintf(stderr, "whole %d, refused %d, blocks of others %d\n", is_whole, is_refused, strangers);
    return is_whole && is_refused && strangers == 0 ? 0 : 1;
}
