/* SPDX-License-Identifier: MIT */
/* Implementation of profile/look/sizes.h. */
#include "profile/look/sizes.h"

#include "heap/block.h"
#include "heap/resolve.h"

/* By size class; the last one is that of large objects, whose slot_bytes are 0. */
static struct profile_size sizes[CLASS_COUNT + 1];

static void count_block(const struct heap *heap, uint32_t unit)
{
    const struct size_class *size_class = block_class(heap, unit);
    struct profile_size *size = &sizes[size_class - gci_size_classes];
    uint64_t used = 0;
    for (unsigned i = 0; i < size_class->words; i++)
        used += count_bits(block_valid_bits(size_class, i) & ~block_free_bits(block_at(heap, unit), i));
    size->slot_bytes = size_class->bytes;
    size->blocks++;
    size->live_objects += used;
    size->live_bytes += used * size_class->bytes;
    size->committed_bytes += BLOCK_BYTES;
}

static void count_large(const struct heap *heap, uint32_t unit)
{
    struct profile_size *size = &sizes[CLASS_COUNT];
    struct object object = gci_resolve(heap, unit_address(heap, unit));
    size->blocks++;
    size->committed_bytes += align_up(object.bytes, BLOCK_BYTES);
    if (!object_is_allocated(heap, object)) /* on a thread's shelf */
        return;
    size->live_objects++;
    size->live_bytes += object.bytes;
}

static void count_all(const struct heap *heap)
{
    for (uint32_t unit = 1; unit < heap->frontier; unit++) {
        uint8_t use = heap->meta.hot[unit].use;
        if (use == UNIT_SMALL)
            count_block(heap, unit);
        else if (use == UNIT_LARGE)
            count_large(heap, unit);
    }
}

void gci_sizes_write(struct writer *writer)
{
    __builtin_memset(sizes, 0, sizeof sizes);
    count_all(&gci_heap);
    gci_writer_begin(writer, PROFILE_SIZES);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].blocks != 0)
            gci_writer_add(writer, &sizes[i], sizeof sizes[i]);
    gci_writer_end(writer);
}
