/* SPDX-License-Identifier: MIT */
#include "cli/base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/message.h"

#define CHUNK_BYTES ((size_t)64 << 10)
#define FIRST_ROOM 16

struct memory_chunk {
    struct memory_chunk *next;
    uint64_t bytes[];
};

void gci_memory_give_up(void)
{
    exit(gci_message_fail_plain(EXIT_OWN_FAILURE, "out of memory"));
}

void *gci_memory_take(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    if (!memory)
        gci_memory_give_up();
    return memory;
}

void *gci_memory_grow(void *array, size_t *room, size_t count, size_t size)
{
    size_t wanted = *room > SIZE_MAX / 2 ? SIZE_MAX : *room * 2;
    if (count <= *room)
        return array;
    if (wanted < FIRST_ROOM)
        wanted = FIRST_ROOM;
    if (wanted < count)
        wanted = count;
    void *memory = reallocarray(array, wanted, size);
    if (!memory)
        gci_memory_give_up();
    *room = wanted;
    return memory;
}

void *gci_memory_pool_take(struct memory_pool *pool, size_t bytes)
{
    bytes = (bytes + 7) & ~(size_t)7;
    if (!pool->chunks || bytes > pool->room - pool->used) {
        size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        struct memory_chunk *chunk = malloc(sizeof *chunk + room);
        if (!chunk)
            gci_memory_give_up();
        chunk->next = pool->chunks;
        *pool = (struct memory_pool){.chunks = chunk, .room = room};
    }
    void *piece = (char *)pool->chunks->bytes + pool->used;
    pool->used += bytes;
    return piece;
}

char *gci_memory_pool_text(struct memory_pool *pool, const char *text, size_t length)
{
    char *copy = gci_memory_pool_take(pool, length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void gci_memory_pool_forget(struct memory_pool *pool)
{
    while (pool->chunks) {
        struct memory_chunk *next = pool->chunks->next;
        free(pool->chunks);
        pool->chunks = next;
    }
    *pool = (struct memory_pool){0};
}
