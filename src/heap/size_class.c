/* SPDX-License-Identifier: MIT */
/* The tables of heap/size_class.h. */
#include "heap/size_class.h"

#include "base/bits.h"

#define SLOTS(bytes) (BLOCK_BYTES / (bytes))
#define WORTH(bytes) ((bytes) >= FEW_SLOTS_BYTES_MIN ? 1 : SLOTS(bytes) / 8)
#define ROW(bytes)                                                                                                     \
    {(bytes), (uint32_t)(((UINT64_C(1) << 32) + (bytes)-1) / (bytes)), SLOTS(bytes), (SLOTS(bytes) + 63) / 64,         \
     WORTH(bytes)},

const struct size_class gci_size_classes[CLASS_COUNT] = {SIZE_CLASSES(ROW)};

uint16_t gci_window_of_granules[SMALL_BYTES_MAX / GRANULE_BYTES + 1];

#define IS_IN_GRANULES(bytes) STATIC_ASSERT((bytes) % GRANULE_BYTES == 0, "slots are aligned to 16");
SIZE_CLASSES(IS_IN_GRANULES)

uint8_t gci_class_at_alignment[ALIGNMENT_SHIFT_MAX + 1][CLASS_COUNT];

static void fill_aligned(unsigned shift)
{
    unsigned found = CLASS_COUNT;
    for (unsigned index = CLASS_COUNT; index-- > 0;) {
        if (gci_size_classes[index].bytes % (1u << shift) == 0)
            found = index;
        gci_class_at_alignment[shift][index] = (uint8_t)found;
    }
}

static void fill_sizes(void)
{
    unsigned index = 0;
    for (unsigned granules = 0; granules <= SMALL_BYTES_MAX / GRANULE_BYTES; granules++) {
        if (granules * GRANULE_BYTES > gci_size_classes[index].bytes)
            index++;
        gci_window_of_granules[granules] = (uint16_t)(index * WINDOW_BYTES);
    }
}

void gci_size_class_init(void)
{
    for (unsigned shift = 0; shift <= ALIGNMENT_SHIFT_MAX; shift++)
        fill_aligned(shift);
    fill_sizes();
}
