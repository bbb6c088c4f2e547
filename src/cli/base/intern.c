/* SPDX-License-Identifier: MIT */
#include "cli/base/intern.h"

#include <stdlib.h>
#include <string.h>

#include "cli/base/hash.h"

#define FIRST_SLOTS 1024
#define FIRST_STARTS 512
#define FIRST_BYTES 16384

static bool grow(void **memory, size_t *room, size_t first, size_t needed, size_t element)
{
    size_t wanted = *room ? *room : first;
    while (wanted < needed)
        wanted *= 2;
    if (wanted == *room)
        return true;
    void *grown = reallocarray(*memory, wanted, element);
    if (!grown)
        return false;
    *memory = grown;
    *room = wanted;
    return true;
}

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

static bool grow_slots(struct intern *intern)
{
    if (intern->count * (size_t)2 < intern->slot_count)
        return true;
    size_t wanted = intern->slot_count ? intern->slot_count * 2 : FIRST_SLOTS;
    uint32_t *slots = calloc(wanted, sizeof *slots);
    if (!slots)
        return false;
    free(intern->slots);
    intern->slots = slots;
    intern->slot_count = wanted;
    for (uint32_t i = 0; i < intern->count; i++)
        *slot_of(intern, gci_intern_key(intern, i), gci_intern_length(intern, i)) = i + 1;
    return true;
}

static bool make_room(struct intern *intern, size_t length)
{
    void *starts = intern->starts, *bytes = intern->bytes;
    bool is_enough = intern->count < UINT32_MAX - 1 &&
                     grow(&starts, &intern->start_room, FIRST_STARTS, intern->count + (size_t)2, sizeof(size_t)) &&
                     grow(&bytes, &intern->room, FIRST_BYTES, intern->used + length + 1, 1);
    intern->starts = starts;
    intern->bytes = bytes;
    if (is_enough && intern->count == 0)
        intern->starts[0] = 0;
    return is_enough && grow_slots(intern);
}

uint32_t gci_intern_put(struct intern *intern, const void *key, size_t length)
{
    if (intern->failed || !make_room(intern, length)) {
        intern->failed = true;
        return 0;
    }
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
