/* SPDX-License-Identifier: MIT */
#include "cli/base/intern.h"

#include <stdlib.h>
#include <string.h>

#include "cli/base/hash.h"
#include "cli/base/memory.h"

#define FIRST_SLOTS 1024 /* a power of two */

const char *gci_intern_key(const struct intern *intern, uint32_t number)
{
    return intern->bytes + intern->starts[number];
}

size_t gci_intern_length(const struct intern *intern, uint32_t number)
{
    return intern->starts[number + 1] - intern->starts[number] - 1;
}

/* Where the key is, or the empty slot where it belongs. */
static uint32_t *slot_of(const struct intern *intern, const char *key, size_t length)
{
    size_t mask = intern->slot_count - 1;
    for (size_t at = gci_hash_bytes(0, key, length) & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &intern->slots[at];
        if (*slot == 0)
            return slot;
        if (gci_intern_length(intern, *slot - 1) == length &&
            memcmp(gci_intern_key(intern, *slot - 1), key, length) == 0)
            return slot;
    }
}

static void grow_slots(struct intern *intern)
{
    if (intern->count * (size_t)2 < intern->slot_count)
        return;
    free(intern->slots);
    intern->slot_count = intern->slot_count ? intern->slot_count * 2 : FIRST_SLOTS;
    intern->slots = gci_memory_take(intern->slot_count, sizeof *intern->slots);
    for (uint32_t i = 0; i < intern->count; i++)
        *slot_of(intern, gci_intern_key(intern, i), gci_intern_length(intern, i)) = i + 1;
}

static void make_room(struct intern *intern, size_t length)
{
    if (intern->count == UINT32_MAX - 1)
        gci_memory_give_up();
    intern->starts =
        gci_memory_grow(intern->starts, &intern->start_room, intern->count + (size_t)2, sizeof *intern->starts);
    intern->bytes = gci_memory_grow(intern->bytes, &intern->room, intern->used + length + 1, 1);
    if (intern->count == 0)
        intern->starts[0] = 0;
    grow_slots(intern);
}

uint32_t gci_intern_put(struct intern *intern, const void *key, size_t length)
{
    make_room(intern, length);
    uint32_t *slot = slot_of(intern, key, length);
    if (*slot != 0)
        return *slot - 1;
    memcpy(intern->bytes + intern->used, key, length);
    intern->bytes[intern->used + length] = '\0';
    intern->used += length + 1;
    intern->starts[++intern->count] = intern->used;
    *slot = intern->count;
    return intern->count - 1;
}

uint32_t gci_intern_text(struct intern *intern, const char *text)
{
    return gci_intern_put(intern, text, strlen(text));
}

void gci_intern_forget(struct intern *intern)
{
    free(intern->bytes);
    free(intern->starts);
    free(intern->slots);
    *intern = (struct intern){0};
}
