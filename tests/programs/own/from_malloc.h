/* SPDX-License-Identifier: MIT */
/* calloc and realloc of a malloc whose memory is zero and never used twice, and that keeps the size of each block ALIGNMENT bytes
 * in front of it. Included behind it. */
#ifndef FROM_MALLOC_H
#define FROM_MALLOC_H

void *calloc(size_t count, size_t bytes)
{
    return malloc(count * bytes); /* the arena is zero */
}

void *realloc(void *block, size_t bytes)
{
    size_t before = 0;
    void *moved = malloc(bytes);
    if (block != NULL)
        memcpy(&before, (char *)block - ALIGNMENT, sizeof before);
    if (before > 0 && moved != NULL)
        memcpy(moved, block, before < bytes ? before : bytes);
    free(block);
    return moved;
}

#endif
