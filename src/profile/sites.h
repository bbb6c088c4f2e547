/* SPDX-License-Identifier: MIT */
/* Where objects come from: stacks, each kept once, and for each stack and thread a row of figures.
 *
 * Rows are found without a lock by a hash of all addresses and the thread; two stacks are taken for one when their 64-bit
 * hashes agree, which happens once in 2^29 profiles. New ones are made under a lock, in a critical section. Nothing is ever
 * taken away: when the tables are full, what does not fit is counted as lost. All of it is memory of the heap's own
 * structures (heap/heap.h: gci_heap_take_meta), never a root, and stays when a profile has ended.
 *
 * Figures: `own` belongs to the thread of the row, which alone writes it, with plain steps in critical sections; all others, and
 * `own` of thread 0, which means several, are changed atomically. Objects are counted in parts of 1 / SITE_OBJECT, as a sample
 * may stand for a fraction more than a whole number of them.
 */
#ifndef GCI_PROFILE_SITES_H
#define GCI_PROFILE_SITES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/atomic.h"
#include "base/attributes.h"
#include "base/profile_format.h"
#include "heap/heap.h"

#define SITE_OBJECT 1024u
#define SITE_FRAMES_MAX 64u
static inline uint64_t site_whole_objects(uint64_t parts)
{
    return (parts + SITE_OBJECT / 2) / SITE_OBJECT;
}

/* Whose a row is: a session, from 1, and a thread of it. */
#define SITE_OWNER(session, thread) ((uint64_t)(session) << 32 | (thread))
#define SITE_OWNER_SEVERAL UINT64_C(0)

/* A row and its session: index + 1, and the session's number as far as there is room. */
#define SITE_NAME_ROW_BITS 17u
#define SITE_NAME_SESSION_BITS 7u
#define SITE_NAME_BITS (SITE_NAME_ROW_BITS + SITE_NAME_SESSION_BITS)
ALWAYS_INLINE uint64_t site_name(uint32_t index, uint64_t session)
{
    return (index + UINT64_C(1)) | session % (1u << SITE_NAME_SESSION_BITS) << SITE_NAME_ROW_BITS;
}

/* Whether it names a row of that session; 0 names none. */
ALWAYS_INLINE bool site_is_named_in(uint64_t name, uint64_t session)
{
    return name - site_name(0, session) < UINT64_C(1) << (SITE_NAME_ROW_BITS - 1);
}

/* What is kept for a stack and thread. All that a sample and its end ask for and change is in one cache line. */
struct CACHE_ALIGNED site_row {
    uint64_t owner;            /* set before the row can be found */
    volatile shared_word name; /* 0: the row is of an earlier session */
    struct site_own {
        volatile shared_word samples;
        volatile shared_word allocated_objects;
        volatile shared_word allocated_bytes;
        volatile shared_word freed_objects;
        volatile shared_word freed_bytes;
        volatile shared_word temporary_objects;
    } own;
};
STATIC_ASSERT(sizeof(struct site_row) == CACHE_LINE_BYTES, "lines that are in use lie side by side");

/* The rest of a row. */
struct site_rest {
    uint64_t key;                                      /* of stack, session and thread; before the row can be found */
    uint32_t stack;                                    /* number of its stack, from 1; the same */
    volatile shared_word lifetimes[PROFILE_LIFETIMES]; /* of those that are gone and were timed */
    struct site_others {
        volatile shared_word freed_objects;
        volatile shared_word freed_bytes;
        volatile shared_word reclaimed_objects;
        volatile shared_word reclaimed_bytes;
    } others;
    uint64_t peak_objects; /* these two: live at the peak (profile/moment.h) */
    uint64_t peak_bytes;
};

ALWAYS_INLINE uint32_t site_thread(const struct site_row *row) /* 0: several */
{
    return (uint32_t)row->owner;
}

/* The call as gcalloc/replace.h knows it: struct gca_site of that header. */
struct site_place {
    const char *file;
    const char *function;
    unsigned line;
};

struct site_stack {
    uint64_t hash;
    const struct site_place *place; /* NULL where unknown */
    const uintptr_t *addresses;
    uint32_t depth;
    bool is_written; /* the profile's file has it; under the lock of the file */
};

/* Room for so many rows, and half as many stacks; again: what there is, emptied. ENOMEM or 0. One at a time; in a critical
 * section where there are others, who may be in the middle of a sample. */
int gci_sites_init(struct heap *heap, uint32_t rows_limit);
#define SITE_ROWS_MAX (UINT32_C(1) << 16)
STATIC_ASSERT(SITE_ROWS_MAX <= UINT32_C(1) << (SITE_NAME_ROW_BITS - 1), "a row fits a name");

/* The row of a stack, innermost first, on a thread of the session with that number; NULL: no room. */
struct site_row *gci_sites_find(const uintptr_t *addresses, size_t depth, const struct site_place *place,
                                uint32_t session, uint32_t thread);

uint32_t gci_sites_row_count(void);
extern struct site_row *gci_sites_rows HIDDEN;
ALWAYS_INLINE struct site_row *gci_sites_row(uint32_t index)
{
    return &gci_sites_rows[index];
}

ALWAYS_INLINE uint32_t site_index(const struct site_row *row)
{
    return (uint32_t)(row - gci_sites_rows);
}

extern struct site_rest *gci_sites_rests HIDDEN; /* of the rows, in the same order */
ALWAYS_INLINE struct site_rest *gci_sites_rest(const struct site_row *row)
{
    return &gci_sites_rests[site_index(row)];
}

uint32_t gci_sites_stack_count(void);
struct site_stack *gci_sites_stack(uint32_t number); /* from 1 */

void gci_sites_reset_lock(void); /* fork child */

#endif
