/* SPDX-License-Identifier: MIT */
#include "cli/base/numbers.h"

#include <stdlib.h>

#include "cli/base/hash.h"
#include "cli/base/memory.h"

#define FIRST_SLOTS 1024U /* a power of two */

/* The slot of this key, or the empty one where it belongs. */
static uint32_t *slot_of(const struct numbers *numbers, uint64_t key)
{
    for (uint64_t at = gci_hash_number(key);; at++) {
        uint32_t *slot = &numbers->slots[at & numbers->mask];
        if (*slot == 0 || numbers->keys[*slot - 1] == key)
            return slot;
    }
}

static void make_room(struct numbers *numbers)
{
    if (numbers->mask != 0 && numbers->count < numbers->mask / 2)
        return;
    size_t slots = numbers->mask == 0 ? FIRST_SLOTS : (numbers->mask + 1) * 2;
    free(numbers->slots);
    numbers->slots = gci_memory_take(slots, sizeof *numbers->slots);
    numbers->mask = slots - 1;
    for (uint32_t i = 0; i < numbers->count; i++)
        *slot_of(numbers, numbers->keys[i]) = i + 1;
}

uint32_t gci_numbers_put(struct numbers *numbers, uint64_t key)
{
    make_room(numbers);
    uint32_t *slot = slot_of(numbers, key);
    if (*slot == 0) {
        numbers->keys =
            gci_memory_grow(numbers->keys, &numbers->room, numbers->count + (size_t)1, sizeof *numbers->keys);
        numbers->keys[numbers->count++] = key;
        *slot = numbers->count;
    }
    return *slot - 1;
}

uint32_t gci_numbers_find(const struct numbers *numbers, uint64_t key)
{
    return numbers->count > 0 ? *slot_of(numbers, key) - 1 : NUMBERS_NONE;
}

void gci_numbers_forget(struct numbers *numbers)
{
    free(numbers->keys);
    free(numbers->slots);
    *numbers = (struct numbers){0};
}
