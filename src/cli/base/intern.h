/* SPDX-License-Identifier: MIT */
/* Numbers for keys: equal bytes get the same number, counted from 0 in the order in which they first came. Names, places and
 * the nodes of a tree of calls are made of this. A zeroed one is empty.
 */
#ifndef GCI_CLI_INTERN_H
#define GCI_CLI_INTERN_H

#include <stddef.h>
#include <stdint.h>

struct intern {
    uint32_t count;
    char *bytes;    /* the keys one after the other, each with a zero byte behind it */
    size_t used;    /* of `bytes` */
    size_t room;    /* in `bytes` */
    size_t *starts; /* of each key; one more than there are keys */
    size_t start_room;
    uint32_t *slots;   /* number + 1, 0: empty; open addressing, at most half full */
    size_t slot_count; /* a power of two */
};

uint32_t gci_intern_put(struct intern *intern, const void *key, size_t length);
uint32_t gci_intern_text(struct intern *intern, const char *text);

/* The key's bytes, with a zero byte behind them; valid until the next put. */
const char *gci_intern_key(const struct intern *intern, uint32_t number);
size_t gci_intern_length(const struct intern *intern, uint32_t number);

void gci_intern_forget(struct intern *intern);

#endif
