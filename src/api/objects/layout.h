/* SPDX-License-Identifier: MIT */
/* Whether a layout can be followed: the marker does not ask again. */
#ifndef GCI_API_LAYOUT_H
#define GCI_API_LAYOUT_H

#include <gcalloc.h>

#include "base/assert.h"
#include "heap/special/counted.h"

STATIC_ASSERT(sizeof(gca_layout) == sizeof(struct layout) &&
                  offsetof(gca_layout, offsets) == offsetof(struct layout, offsets),
              "one and the same");

#define LAYOUT_OFFSETS_MAX 65535u

static inline bool layout_is_sound(const gca_layout *layout)
{
    if (layout == NULL || layout->bytes == 0 || layout->bytes > PTRDIFF_MAX || layout->bytes % sizeof(void *) != 0 ||
        layout->count > LAYOUT_OFFSETS_MAX || (layout->count != 0 && layout->offsets == NULL))
        return false;
    for (size_t i = 0; i < layout->count; i++)
        if (layout->offsets[i] % sizeof(void *) != 0 || layout->offsets[i] >= layout->bytes)
            return false;
    return true;
}

#endif
