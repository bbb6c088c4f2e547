/* SPDX-License-Identifier: MIT */
/* Pointers that the program has given to the kernel and may keep nowhere else: the data of epoll registrations and of
 * timers. They are roots until they are taken back.
 *
 * A table from (descriptor or timer, descriptor) to the word. A registration that the kernel drops by itself, when a
 * descriptor is closed, stays until its key is used again: a block too many, never one too few. Only words that point
 * into the heap are kept. Functions run in critical sections.
 */
#ifndef GCI_WORLD_KERNEL_WORDS_H
#define GCI_WORLD_KERNEL_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel_key {
    uint64_t holder; /* epoll descriptor, or timer id with bit 63 set */
    uint64_t item;   /* watched descriptor; 0 for timers */
};

/* False when there is no memory to remember it, which there always is for a key that has a word already. */
bool gci_kernel_words_put(struct kernel_key key, uintptr_t value);
void gci_kernel_words_remove(struct kernel_key key);
uintptr_t gci_kernel_words_find(struct kernel_key key); /* 0: none */

/* World stopped: calls visit with the words, a piece at a time. */
void gci_kernel_words_each(void (*visit)(const uintptr_t *words, size_t count, void *data), void *data);

/* Around fork. */
void gci_kernel_words_lock(void);
void gci_kernel_words_unlock(void);
void gci_kernel_words_reset_lock(void);

#endif
