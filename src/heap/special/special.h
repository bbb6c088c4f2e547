/* SPDX-License-Identifier: MIT */
/* What is known of an object beyond its memory: finalizers, weak links, ephemerons. Records by the address of the
 * object, in our own memory, so that nothing in them keeps anything alive.
 *
 * A block with such an object has HAS_SPECIAL in its custody (a run: has_special), which takes every free of it off the fast
 * path to gci_special_drop. Changed under a lock of its own in critical sections, and by the collector while the world is
 * stopped.
 */
#ifndef GCI_HEAP_SPECIAL_H
#define GCI_HEAP_SPECIAL_H

#include "heap/resolve.h"

enum special_kind {
    SPECIAL_FINALIZER,           /* first: function, second: its data */
    SPECIAL_FINALIZER_UNORDERED, /* the same */
    SPECIAL_LINK,                /* first: address of the slot, second: what it holds, complemented */
    SPECIAL_KEY,                 /* of an ephemeron; first: its start */
    SPECIAL_EPHEMERON,           /* first: start of its key's block */
    SPECIAL_WEAK,                /* of a counted object; first: the entry of its weak references */
    SPECIAL_HOLDER, /* of a block with a weak slot; first: the slot, second: start of what it is linked to */
    SPECIAL_IMMORTAL
};

struct special {
    struct special *next; /* of the same place in the table, or of a list of those taken out */
    uintptr_t object;     /* its start */
    uintptr_t first;
    uintptr_t second;
    uint8_t kind;      /* enum special_kind */
    bool is_hidden;    /* LINK, world stopped: the slot holds nothing for the time of marking */
    bool is_scanned;   /* world stopped: what follows from the object's being alive has been marked */
    bool is_candidate; /* FINALIZER, world stopped */
};

/* What lies in an ephemeron, each complemented; 0 once the key is gone. */
struct ephemeron {
    uintptr_t hidden_key;
    uintptr_t hidden_value;
};

/* Number of records; read without the lock as a hint. */
extern volatile shared_word gci_special_count HIDDEN;

/* Critical section, all four. False: no memory. The object is allocated. */
bool gci_special_add(struct heap *heap, struct object object, enum special_kind kind, uintptr_t first,
                     uintptr_t second);

/* The record of the object, or NULL. With the lock held. */
struct special *gci_special_find(uintptr_t object, enum special_kind kind);

/* Takes away the records of these kinds that the object has; `first` must match unless it is 0. How many there were. */
#define SPECIAL_ANY UINT32_MAX
unsigned gci_special_remove(uintptr_t object, uint32_t kinds, uintptr_t first);

/* Whether the slot of a LINK is there and can be written. With the lock held, or the world stopped. */
bool gci_special_has_slot(const struct heap *heap, const struct special *link);

/* The object is being freed: weak slots are cleared, everything about it is forgotten. */
void gci_special_drop(const struct heap *heap, uintptr_t object);

/* World stopped: visits every record; those for which it answers false are taken away. */
void gci_special_each(bool (*visit)(struct special *special, void *data), void *data);

/* World stopped: those of one object. */
void gci_special_each_of(uintptr_t object, void (*visit)(struct special *special, void *data), void *data);

void gci_special_lock(void);
void gci_special_unlock(void);
void gci_special_reset_lock(void); /* fork child */

#endif
