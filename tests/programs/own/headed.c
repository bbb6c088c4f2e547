/* SPDX-License-Identifier: MIT */
/* A program whose malloc puts a header in front of what it gets from the C library's, with gcalloc in front: its blocks lie
 * inside of gcalloc's, where only its own free and realloc know what to do with them. It has no reallocarray and no
 * malloc_usable_size. */
#include "../check.h"

#include <malloc.h>
#include <stdlib.h>

#include "../distances/distances.h"

void *__libc_malloc(size_t bytes);               // NOLINT(bugprone-reserved-identifier)
void *__libc_realloc(void *block, size_t bytes); // NOLINT(bugprone-reserved-identifier)
void __libc_free(void *block);                   // NOLINT(bugprone-reserved-identifier)

struct header {
    size_t bytes;
    size_t magic;
};
#define MAGIC ((size_t)0x6d616c6c6f632121)

static int strangers; /* blocks without a header */

static void *hand_out(struct header *header, size_t bytes)
{
    if (header == NULL)
        return NULL;
    *header = (struct header){bytes, MAGIC};
    return header + 1;
}

static struct header *header_of(void *block)
{
    struct header *header = (struct header *)block - 1;
    strangers += header->magic != MAGIC;
    return header;
}

void *malloc(size_t bytes)
{
    return hand_out(__libc_malloc(bytes + sizeof(struct header)), bytes);
}

void free(void *block)
{
    if (block == NULL)
        return;
    struct header *header = header_of(block);
    header->magic = 0;
    __libc_free(header);
}

void *calloc(size_t count, size_t bytes)
{
    void *block = malloc(count * bytes);
    return block == NULL ? NULL : memset(block, 0, count * bytes);
}

void *realloc(void *block, size_t bytes)
{
    if (block == NULL)
        return malloc(bytes);
    return hand_out(__libc_realloc(header_of(block), bytes + sizeof(struct header)), bytes);
}

void *_Znwm(size_t bytes);                                  // NOLINT(bugprone-reserved-identifier)
void _ZdlPv(void *block);                                   // NOLINT(bugprone-reserved-identifier)
void *_ZnwmSt11align_val_t(size_t bytes, size_t alignment); // NOLINT(bugprone-reserved-identifier)

/* No size of block may look like another's start. */
static void check_objects(void)
{
    for (size_t i = 0; i < 1000; i++) {
        char *object = _Znwm(i), *aligned = _ZnwmSt11align_val_t(i, 64);
        memset(object, 1, i);
        memset(aligned, 2, i);
        CHECK((uintptr_t)aligned % 64 == 0 && is_filled(object, 1, i));
        _ZdlPv(object);
        _ZdlPv(aligned);
    }
}

static void check_arrays(void)
{
    for (size_t i = 1; i < 1000; i++) {
        char *array = reallocarray(NULL, i, 10);
        memset(array, 7, i * 10);
        array = reallocarray(array, i, 30);
        CHECK(is_filled(array, 7, i * 10));
        CHECK(malloc_usable_size(array) >= i * 30);
        memset(array, 8, malloc_usable_size(array));
        free(array);
    }
    CHECK(malloc_usable_size(NULL) == 0);
}

/* Whatever was freed too early is used again, and written to. */
static void use_memory(void)
{
    for (size_t i = 0; i < 100000; i++) {
        size_t bytes = 8 + i % 500;
        memset(unknown(malloc(bytes)), 0xff, bytes);
    }
}

int main(void)
{
    check_objects();
    check_arrays();
    void *set = distances_new(); /* by what this has, a collection finds nothing */
    malloc_trim(0);
    use_memory();
    malloc_trim(0);
    CHECK(distances_count_whole(set) == distances_count());
    distances_free(set);
    CHECK(strangers == 0);
    return check_result();
}
