/* SPDX-License-Identifier: MIT */
/* Memory of the command. Where there is none left the process ends with one line: nothing that it has could be saved, and files
 * that it was writing go with it (output/file.h). */
#ifndef GCI_CLI_MEMORY_H
#define GCI_CLI_MEMORY_H

#include <stddef.h>

_Noreturn void gci_memory_give_up(void);

/* Never NULL; zero-filled. `count` times `size` bytes, and never fewer than one. */
__attribute__((returns_nonnull)) void *gci_memory_take(size_t count, size_t size);

/* Room for `count` elements, one or more, of `size` bytes, at least twice what there was when it has to grow; *room is in
 * elements. */
__attribute__((returns_nonnull)) void *gci_memory_grow(void *array, size_t *room, size_t count, size_t size);

/* Pieces that stay where they are and go all at once. A zeroed one is empty. */
struct memory_pool {
    struct memory_chunk *chunks; /* the last one first */
    size_t used, room;           /* of the last one */
};

__attribute__((returns_nonnull)) void *gci_memory_pool_take(struct memory_pool *pool,
                                                            size_t bytes); /* aligned to 8, not cleared */
char *gci_memory_pool_text(struct memory_pool *pool, const char *text, size_t length);
void gci_memory_pool_forget(struct memory_pool *pool);

#endif
