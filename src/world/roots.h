/* SPDX-License-Identifier: MIT */
/* What is a root: every private mapping of the process that can be read and was written, shared memory without a file,
 * the stacks above each thread's stack pointer (they are mappings too), the saved registers on them, and ranges that the
 * program names. Not: our own memory, what lies below a stack pointer, stacks of ended threads, excluded ranges.
 */
#ifndef GCI_WORLD_ROOTS_H
#define GCI_WORLD_ROOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/range.h"
#include "platform/pages.h"
#include "world/thread.h"

enum root_kind {
    ROOT_STATIC,   /* data of a module */
    ROOT_STACK,    /* the main thread's */
    ROOT_REGISTER, /* stack pointers; those that are saved on a stack are found there */
    ROOT_MAPPING,  /* everything else, stacks of other threads among it */
    ROOT_KERNEL,
    ROOT_ADDED
};

/* Words that were copied from `address` on; 0 where they lie in no memory of the program's. */
struct root_piece {
    const uintptr_t *words;
    size_t count;
    uintptr_t address;
    enum root_kind kind;
    uint32_t thread; /* id of the thread whose registers they are; 0: another kind */
};

typedef void (*root_words_fn)(const struct root_piece *piece, void *data);

/* Calls visit with copies of all root words, a piece at a time. The world is stopped. False if the process could not be read:
 * then nothing may be freed. */
bool gci_roots_each(const struct page_reader *reader, const struct roots_caller *caller, root_words_fn visit,
                    void *data);

/* Where a root word lies that was found in memory: on the stack of which stopped thread, or in the frame that saves its
 * registers, which is `own` for the caller. False: on none that is known. */
struct root_place {
    enum root_kind kind;
    uint32_t thread;
};
bool gci_roots_find_thread(uintptr_t address, struct range own, struct root_place *place);

/* Whether it lies on the stack of a stopped thread, above its stack pointer: nobody writes there as long as the world is
 * stopped. */
bool gci_roots_is_still(uintptr_t address);

/* Ranges of the program's. 0, EINVAL, ENOMEM, ENOENT. Critical section. */
int gci_roots_add_range(struct range range);
int gci_roots_remove_range(struct range range);
int gci_roots_exclude_range(struct range range);

/* Around fork. */
void gci_roots_lock(void);
void gci_roots_unlock(void);
void gci_roots_reset_lock(void);

#endif
