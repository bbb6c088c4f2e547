/* SPDX-License-Identifier: MIT */
/* Reservation of the region and of the metadata arrays. */
#include "heap/heap.h"

#include <errno.h>

#include "base/assert.h"
#include "base/bits.h"
#include "heap/block.h"
#include "heap/special/sample.h"
#include "platform/env.h"
#include "platform/vm.h"

struct heap gci_heap;

/* A sanitizer that keeps track of addresses (GCI_PLAIN_ADDRESSES) takes only those that the system chooses, and few. */
#if defined(GCI_PLAIN_ADDRESSES)
#define REGION_BYTES_MAX (UINT64_C(1) << 35)
#define BASE_TRIES 0
#else
#define REGION_BYTES_MAX (UINT64_C(1) << 40)
#define BASE_TRIES 8
#endif
#define REGION_BYTES_MIN (UINT64_C(1) << 22) /* two groups */
#define REGION_STEP_BYTES (UNITS_PER_GROUP * (size_t)BLOCK_BYTES)

/* Bits 40 to 47 of our addresses lie in 0x10..0x1d: doubles have other top bits, text has printable bytes there (0x20
 * and up), pairs of small integers are below. The rest of the base is random, so that a number that looks like a block
 * in one run does not in the next. */
#define BASE_TOP_LOWEST 0x10u
#define BASE_TOP_COUNT 0xeu

/* Share of the region that the bump area for our own structures may take, with 8 KiB for each thread; only addresses. */
#define BUMP_SHARE 32
#define BUMP_STEP_BYTES 65536u
#define BUMP_BYTES_MIN (UINT64_C(1) << 20)
#define BUMP_BYTES_MAX (UINT64_C(1) << 30) /* more than all ids of caches need */

/* The arrays in the order of their places in memory. */
#define METADATA_ARRAYS 7

static const size_t bytes_per_unit[METADATA_ARRAYS] = {
    sizeof(struct hot),
    sizeof(struct block),
    sizeof(uint64_t[BITMAP_WORDS]),
    sizeof(uint64_t[BITMAP_WORDS]),
    sizeof(uint32_t),
    sizeof(u32_shared),
    (sizeof(struct group) + UNITS_PER_GROUP - 1) / UNITS_PER_GROUP,
};

static size_t array_bytes(int index, uint64_t units)
{
    return align_up(bytes_per_unit[index] * units, gci_vm_page_bytes());
}

static void *array_start(const struct metadata *meta, int index)
{
    void *starts[METADATA_ARRAYS] = {meta->hot,   meta->blocks, meta->mark,  meta->scan,
                                     meta->queue, meta->queued, meta->groups};
    return starts[index];
}

static void place_arrays(struct metadata *meta, char *at, uint64_t units)
{
    char *starts[METADATA_ARRAYS];
    for (int i = 0; i < METADATA_ARRAYS; i++) {
        starts[i] = at;
        at += array_bytes(i, units);
    }
    meta->hot = (void *)starts[0];
    meta->blocks = (void *)starts[1];
    meta->mark = (void *)starts[2];
    meta->scan = (void *)starts[3];
    meta->queue = (void *)starts[4];
    meta->queued = (void *)starts[5];
    meta->groups = (void *)starts[6];
    meta->bump_start = meta->bump_next = meta->bump_committed = (uintptr_t)at;
}

static size_t bump_bytes(uint64_t region_bytes)
{
    uint64_t share = region_bytes / BUMP_SHARE;
    return share < BUMP_BYTES_MIN ? BUMP_BYTES_MIN : share > BUMP_BYTES_MAX ? BUMP_BYTES_MAX : share;
}

static size_t metadata_bytes(uint64_t region_bytes)
{
    size_t total = bump_bytes(region_bytes);
    for (int i = 0; i < METADATA_ARRAYS; i++)
        total += array_bytes(i, region_bytes >> BLOCK_SHIFT);
    return total;
}

void gci_heap_trim_metadata(struct heap *heap, uint32_t old_units, uint32_t new_units)
{
    for (int i = 0; i < METADATA_ARRAYS; i++) {
        char *start = array_start(&heap->meta, i);
        size_t kept = array_bytes(i, new_units);
        if (array_bytes(i, old_units) > kept)
            gci_vm_release(start + kept, array_bytes(i, old_units) - kept);
    }
    struct metadata *meta = &heap->meta;
    uintptr_t end = meta->bump_committed + align_up(bump_bytes((uint64_t)new_units << BLOCK_SHIFT), BUMP_STEP_BYTES);
    if (end < meta->reserved.hi && gci_vm_release((void *)end, meta->reserved.hi - end) == 0) // NOLINT
        meta->reserved.hi = end;
}

void gci_heap_own_ranges(const struct heap *heap, struct range ranges[HEAP_OWN_RANGES])
{
    ranges[0] = heap_reserved(heap);
    ranges[1] = (struct range){heap->meta.bump_start, heap->meta.reserved.hi};
    for (int i = 0; i < METADATA_ARRAYS; i++)
        ranges[2 + i] = range_of(array_start(&heap->meta, i), array_bytes(i, heap->unit_limit));
    ranges[2 + METADATA_ARRAYS] = gci_sample_range(heap);
}

static uintptr_t random_base(void)
{
    uint64_t random = gci_env_random();
    uint64_t top = BASE_TOP_LOWEST + random % BASE_TOP_COUNT;
    uint64_t below = (random >> 8) % (REGION_BYTES_MAX / REGION_STEP_BYTES);
    return (uintptr_t)(top << 40 | below * REGION_STEP_BYTES);
}

static void *reserve_region(size_t bytes)
{
    for (int i = 0; i < BASE_TRIES; i++) {
        void *at = gci_vm_reserve((void *)random_base(), bytes); // NOLINT(performance-no-int-to-ptr)
        if (at != NULL)
            return at;
    }
    return NULL;
}

/* Where the machine has no such addresses: anywhere, at a multiple of a group. */
static void *reserve_anywhere(size_t bytes)
{
    char *at = gci_vm_reserve(NULL, bytes + REGION_STEP_BYTES);
    if (at == NULL)
        return NULL;
    uintptr_t start = align_up((uintptr_t)at, REGION_STEP_BYTES);
    size_t before = start - (uintptr_t)at;
    if (before > 0)
        gci_vm_release(at, before);
    if (before < REGION_STEP_BYTES)
        gci_vm_release(at + before + bytes, REGION_STEP_BYTES - before);
    return (void *)start; // NOLINT(performance-no-int-to-ptr)
}

static bool reserve(struct heap *heap, uint64_t region_bytes)
{
    size_t meta_bytes = metadata_bytes(region_bytes);
    void *meta = gci_vm_reserve(NULL, meta_bytes);
    if (meta == NULL)
        return false;
    void *region = reserve_region(region_bytes);
    if (region == NULL)
        region = reserve_anywhere(region_bytes);
    if (region == NULL) {
        gci_vm_release(meta, meta_bytes);
        return false;
    }
    gci_vm_prefer_huge(region, region_bytes, false); /* heap/region.c says where they are wanted */
    place_arrays(&heap->meta, meta, region_bytes >> BLOCK_SHIFT);
    heap->meta.reserved = range_of(meta, meta_bytes);
    heap->base = (uintptr_t)region;
    heap_set_unit_limit(heap, (uint32_t)(region_bytes >> BLOCK_SHIFT));
    return true;
}

int gci_heap_init(struct heap *heap)
{
    __builtin_memset(heap, 0, sizeof *heap);
    gci_size_class_init();
    uint64_t bytes = gci_vm_address_space_left() / 2;
    if (bytes > REGION_BYTES_MAX)
        bytes = REGION_BYTES_MAX;
    for (; bytes >= REGION_BYTES_MIN; bytes /= 2)
        if (reserve(heap, align_down(bytes, REGION_STEP_BYTES)))
            return 0;
    return ENOMEM;
}

void gci_heap_fini(struct heap *heap)
{
    struct range region = heap_reserved(heap);
    struct range samples = gci_sample_range(heap);
    if (samples.lo != 0)
        gci_vm_release((void *)samples.lo, range_bytes(samples)); // NOLINT(performance-no-int-to-ptr)
    gci_vm_release((void *)region.lo, range_bytes(region));       // NOLINT
    gci_vm_release((void *)heap->meta.reserved.lo, range_bytes(heap->meta.reserved)); // NOLINT
}

void gci_heap_lock_all(struct heap *heap)
{
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        gci_lock_acquire(&heap->class_locks[i]);
    gci_lock_acquire(&heap->region_lock);
}

void gci_heap_unlock_all(struct heap *heap)
{
    gci_lock_release(&heap->region_lock);
    for (unsigned i = CLASS_COUNT; i-- > 0;)
        gci_lock_release(&heap->class_locks[i]);
}

void gci_heap_reset_locks(struct heap *heap)
{
    gci_lock_reset(&heap->region_lock);
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        gci_lock_reset(&heap->class_locks[i]);
}

static bool commit_bump(struct metadata *meta, uintptr_t end)
{
    void *start = (void *)meta->bump_committed; // NOLINT(performance-no-int-to-ptr)
    if (end > meta->reserved.hi || gci_vm_commit(start, end - meta->bump_committed) != 0)
        return false;
    meta->bump_committed = end;
    return true;
}

static void *take_meta(struct heap *heap, size_t bytes)
{
    struct metadata *meta = &heap->meta;
    uintptr_t end = meta->bump_next + bytes;
    if (end > meta->bump_committed && !commit_bump(meta, align_up(end, BUMP_STEP_BYTES)))
        return NULL;
    void *at = (void *)meta->bump_next; // NOLINT(performance-no-int-to-ptr)
    meta->bump_next += bytes;
    word_add(&heap->bump_bytes, bytes);
    return at;
}

void *gci_heap_take_meta(struct heap *heap, size_t bytes)
{
    gci_lock_acquire(&heap->region_lock);
    void *at = take_meta(heap, align_up(bytes, CACHE_LINE_BYTES));
    gci_lock_release(&heap->region_lock);
    return at;
}

void *gci_heap_take_larger(struct heap *heap, const void *array, size_t bytes_each, size_t least, size_t *capacity)
{
    size_t wanted = *capacity == 0 ? least : 2 * *capacity;
    void *larger = gci_heap_take_meta(heap, wanted * bytes_each);
    if (larger == NULL)
        return NULL;
    if (*capacity != 0)
        __builtin_memcpy(larger, array, *capacity * bytes_each);
    *capacity = wanted;
    return larger;
}
