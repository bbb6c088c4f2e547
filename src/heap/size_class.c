/* SPDX-License-Identifier: MIT */
/* The tables of heap/size_class.h. */
#include "heap/size_class.h"

#include "base/bits.h"

#define SLOTS(bytes) (BLOCK_BYTES / (bytes))
#define ROW(bytes)                                                                                                     \
    {(bytes), (uint32_t)(((UINT64_C(1) << 32) + (bytes)-1) / (bytes)), SLOTS(bytes), (SLOTS(bytes) + 63) / 64},

const struct size_class gci_size_classes[CLASS_COUNT] = {SIZE_CLASSES(ROW)};

uint16_t gci_window_of_granules[SMALL_BYTES_MAX / GRANULE_BYTES + 1];

#define IS_IN_GRANULES(bytes) STATIC_ASSERT((bytes) % GRANULE_BYTES == 0, "slots are aligned to 16");
SIZE_CLASSES(IS_IN_GRANULES)

void gci_size_class_init(void)
{
    unsigned index = 0;
    for (unsigned granules = 0; granules <= SMALL_BYTES_MAX / GRANULE_BYTES; granules++) {
        if (granules * GRANULE_BYTES > gci_size_classes[index].bytes)
            index++;
        gci_window_of_granules[granules] = (uint16_t)(index * WINDOW_BYTES);
    }
}

unsigned gci_size_class_aligned(size_t bytes, size_t alignment)
{
    if (bytes > SMALL_BYTES_MAX || alignment > SMALL_BYTES_MAX)
        return CLASS_COUNT;
    unsigned index = (unsigned)size_class_of(bytes);
    while (index < CLASS_COUNT && gci_size_classes[index].bytes % alignment != 0)
        index++;
    return index;
}
