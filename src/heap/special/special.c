/* SPDX-License-Identifier: MIT */
/* Implementation of heap/special/special.h: a hash table with chains. */
#include "heap/special/special.h"

#include "base/bits.h"
#include "platform/pages.h"
#include "platform/sync.h"

#define BUCKETS_FIRST ((size_t)256)
#define RECORDS_A_CHUNK 64u

volatile shared_word gci_special_count;

/* Guarded by the lock. */
static struct lock lock;
static struct special **buckets;
static size_t bucket_count; /* a power of two, or 0 */
static struct special *unused;

void gci_special_lock(void)
{
    gci_lock_acquire(&lock);
}

void gci_special_unlock(void)
{
    gci_lock_release(&lock);
}

void gci_special_reset_lock(void)
{
    gci_lock_reset(&lock);
}

/* Multiplicative hashing (Knuth, The Art of Computer Programming 3, 6.4). */
static struct special **bucket_of(uintptr_t object)
{
    uint64_t mixed = object * GOLDEN_ODD;
    return &buckets[(mixed >> 32) & (bucket_count - 1)];
}

static void link_in(struct special *special)
{
    struct special **bucket = bucket_of(special->object);
    special->next = *bucket;
    *bucket = special;
}

/* Each time twice as many: the old arrays, which stay, are half of all. */
static bool grow(struct heap *heap)
{
    size_t old_count = bucket_count;
    struct special **old = buckets;
    size_t count = old_count == 0 ? BUCKETS_FIRST : 2 * old_count;
    struct special **larger = gci_heap_take_meta(heap, count * sizeof(struct special *));
    if (larger == NULL)
        return old_count != 0;
    buckets = larger;
    bucket_count = count;
    for (size_t i = 0; i < old_count; i++)
        for (struct special *special = old[i], *next; special != NULL; special = next) {
            next = special->next;
            link_in(special);
        }
    return true;
}

static struct special *take_record(struct heap *heap)
{
    if (unused == NULL) {
        struct special *chunk = gci_heap_take_meta(heap, RECORDS_A_CHUNK * sizeof *chunk);
        for (unsigned i = 0; chunk != NULL && i < RECORDS_A_CHUNK; i++) {
            chunk[i].next = unused;
            unused = &chunk[i];
        }
    }
    struct special *special = unused;
    if (special != NULL)
        unused = special->next;
    return special;
}

static void give_record(struct special *special)
{
    special->next = unused;
    unused = special;
    word_add(&gci_special_count, (uint64_t)-1);
}

/* Before the record can be found: a free that comes later must not pass it by. */
static void divert_frees(struct heap *heap, struct object object)
{
    struct block *block = block_at(heap, object.unit);
    block->has_special = true;
    if (object.is_large)
        return;
    block_set_flag(block, HAS_SPECIAL);
}

static bool add_locked(struct heap *heap, uintptr_t object, enum special_kind kind, uintptr_t first, uintptr_t second)
{
    if (word_load(&gci_special_count) >= bucket_count && !grow(heap))
        return false;
    struct special *special = take_record(heap);
    if (special == NULL)
        return false;
    *special = (struct special){.object = object, .first = first, .second = second, .kind = (uint8_t)kind};
    link_in(special);
    word_add(&gci_special_count, 1);
    return true;
}

bool gci_special_add(struct heap *heap, struct object object, enum special_kind kind, uintptr_t first, uintptr_t second)
{
    divert_frees(heap, object);
    gci_special_lock();
    bool added = add_locked(heap, object.start, kind, first, second);
    gci_special_unlock();
    return added;
}

struct special *gci_special_find(uintptr_t object, enum special_kind kind)
{
    struct special *special = bucket_count == 0 ? NULL : *bucket_of(object);
    while (special != NULL && (special->object != object || special->kind != kind))
        special = special->next;
    return special;
}

static bool is_asked_for(const struct special *special, uintptr_t object, uint32_t kinds, uintptr_t first)
{
    return special->object == object && (kinds >> special->kind & 1) != 0 && (first == 0 || special->first == first);
}

/* Takes the records out of the table; the lock is held. */
static struct special *take_out(uintptr_t object, uint32_t kinds, uintptr_t first)
{
    struct special *taken = NULL;
    struct special **place = bucket_count == 0 ? NULL : bucket_of(object);
    while (place != NULL && *place != NULL) {
        struct special *special = *place;
        if (!is_asked_for(special, object, kinds, first)) {
            place = &special->next;
            continue;
        }
        *place = special->next;
        special->next = taken;
        taken = special;
    }
    return taken;
}

static unsigned give_all(struct special *taken)
{
    unsigned count = 0;
    for (struct special *next; taken != NULL; taken = next, count++) {
        next = taken->next;
        give_record(taken);
    }
    return count;
}

unsigned gci_special_remove(uintptr_t object, uint32_t kinds, uintptr_t first)
{
    gci_special_lock();
    unsigned count = give_all(take_out(object, kinds, first));
    gci_special_unlock();
    return count;
}

/* A slot in a block that was freed meanwhile is nobody's, and memory that is not ours may be gone. */
bool gci_special_has_slot(const struct heap *heap, const struct special *link)
{
    if (heap_contains(heap, link->first))
        return object_is_allocated(heap, gci_resolve(heap, link->first));
    return gci_pages_is_writable(link->first);
}

static void clear_slot(const struct heap *heap, const struct special *link)
{
    if (!gci_special_has_slot(heap, link))
        return;
    uintptr_t *slot = (uintptr_t *)link->first; // NOLINT(performance-no-int-to-ptr)
    if (*slot == ~link->second)
        *slot = 0;
}

/* The other half of an ephemeron, or the link of a slot that goes, with the lock held. */
static void drop_partner(const struct special *special)
{
    if (special->kind == SPECIAL_KEY) {
        *(struct ephemeron *)special->first = (struct ephemeron){0, 0}; // NOLINT(performance-no-int-to-ptr)
        give_all(take_out(special->first, UINT32_C(1) << SPECIAL_EPHEMERON, 0));
    } else if (special->kind == SPECIAL_HOLDER) {
        give_all(take_out(special->second, UINT32_C(1) << SPECIAL_LINK, special->first));
    } else if (special->kind == SPECIAL_EPHEMERON) {
        give_all(take_out(special->first, UINT32_C(1) << SPECIAL_KEY, special->object));
    }
}

void gci_special_drop(const struct heap *heap, uintptr_t object)
{
    gci_special_lock();
    struct special *taken = take_out(object, SPECIAL_ANY, 0);
    for (const struct special *special = taken; special != NULL; special = special->next) {
        if (special->kind == SPECIAL_LINK)
            clear_slot(heap, special);
        drop_partner(special);
    }
    give_all(taken);
    gci_special_unlock();
}

void gci_special_each(bool (*visit)(struct special *special, void *data), void *data)
{
    for (size_t i = 0; i < bucket_count; i++)
        for (struct special **place = &buckets[i]; *place != NULL;) {
            struct special *special = *place;
            if (visit(special, data)) {
                place = &special->next;
                continue;
            }
            *place = special->next;
            give_record(special);
        }
}

void gci_special_each_of(uintptr_t object, void (*visit)(struct special *special, void *data), void *data)
{
    for (struct special *special = bucket_count == 0 ? NULL : *bucket_of(object); special != NULL;
         special = special->next)
        if (special->object == object)
            visit(special, data);
}
