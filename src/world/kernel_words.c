/* SPDX-License-Identifier: MIT */
/* Implementation of world/kernel_words.h: a hash table with linear probing. Removed entries keep their key, with value 0,
 * and serve again for the same key; growing drops them. */
#include "world/kernel_words.h"

#include "base/bits.h"
#include "heap/heap.h"

struct entry {
    struct kernel_key key;
    uintptr_t value; /* 0: removed */
    bool is_used;
};

#define FIRST_CAPACITY 64u /* a power of two, as every capacity */

/* Guarded by table_lock; read without it while the world is stopped. */
static struct entry *entries;
static size_t capacity;
static size_t used; /* entries with is_used */
static struct lock table_lock;

static size_t hash(struct kernel_key key)
{
    uint64_t mixed = (key.holder * GOLDEN_ODD) ^ (key.item * UINT64_C(0xc2b2ae3d27d4eb4f));
    return (size_t)(mixed ^ (mixed >> 29));
}

/* The entry of the key, or the free one where it belongs. There always is a free one. */
static struct entry *find(struct kernel_key key)
{
    size_t i = hash(key) & (capacity - 1);
    while (entries[i].is_used && (entries[i].key.holder != key.holder || entries[i].key.item != key.item))
        i = (i + 1) & (capacity - 1);
    return &entries[i];
}

static void insert(struct kernel_key key, uintptr_t value)
{
    struct entry *entry = find(key);
    used += !entry->is_used;
    *entry = (struct entry){key, value, true};
}

static size_t count_live(void)
{
    size_t live = 0;
    for (size_t i = 0; i < capacity; i++)
        live += entries[i].is_used && entries[i].value != 0;
    return live;
}

static bool rebuild(void)
{
    struct entry *old = entries;
    size_t old_capacity = capacity;
    size_t wanted = capacity == 0 ? FIRST_CAPACITY : count_live() * 4 > capacity ? capacity * 2 : capacity;
    struct entry *fresh = gci_heap_take_meta(&gci_heap, wanted * sizeof *fresh);
    if (fresh == NULL)
        return false;
    entries = fresh;
    capacity = wanted;
    used = 0;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].is_used && old[i].value != 0)
            insert(old[i].key, old[i].value);
    return true;
}

static bool put(struct kernel_key key, uintptr_t value)
{
    bool is_known = capacity != 0 && find(key)->is_used;
    if (!is_known && used + 1 > capacity / 2 && !rebuild())
        return false;
    insert(key, value);
    return true;
}

void gci_kernel_words_remove(struct kernel_key key)
{
    gci_lock_acquire(&table_lock);
    if (capacity != 0)
        find(key)->value = 0;
    gci_lock_release(&table_lock);
}

uintptr_t gci_kernel_words_find(struct kernel_key key)
{
    gci_lock_acquire(&table_lock);
    uintptr_t value = capacity != 0 ? find(key)->value : 0;
    gci_lock_release(&table_lock);
    return value;
}

bool gci_kernel_words_put(struct kernel_key key, uintptr_t value)
{
    if (!heap_contains(&gci_heap, value)) {
        gci_kernel_words_remove(key);
        return true;
    }
    gci_lock_acquire(&table_lock);
    bool done = put(key, value);
    gci_lock_release(&table_lock);
    return done;
}

void gci_kernel_words_each(void (*visit)(const uintptr_t *words, size_t count, void *data), void *data)
{
    for (size_t i = 0; i < capacity; i++)
        if (entries[i].value != 0)
            visit(&entries[i].value, 1, data);
}

void gci_kernel_words_lock(void)
{
    gci_lock_acquire(&table_lock);
}

void gci_kernel_words_unlock(void)
{
    gci_lock_release(&table_lock);
}

void gci_kernel_words_reset_lock(void)
{
    gci_lock_reset(&table_lock);
}
