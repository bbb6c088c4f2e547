/* SPDX-License-Identifier: MIT */
/* Where modules begin and end are the borders of the pieces. The last module takes its pieces first; what is taken is passed over
 * by all others in one step, so that it costs no more the more modules lie over each other.
 */
#include "cli/profile/mapped.h"

#include <stdlib.h>

#include "cli/base/memory.h"

static int compare_starts(const void *a, const void *b)
{
    const uint64_t *one = a, *other = b;
    return *one < *other ? -1 : *one > *other;
}

static void find_borders(struct mapped *mapped, const struct profile *profile)
{
    size_t count = 0;
    mapped->starts = gci_memory_take(profile->module_count * 2, sizeof *mapped->starts);
    for (size_t i = 0; i < profile->module_count; i++) {
        mapped->starts[count++] = profile->modules[i].start;
        mapped->starts[count++] = profile->modules[i].end;
    }
    qsort(mapped->starts, count, sizeof *mapped->starts, compare_starts);
    for (size_t i = 0; i < count; i++) {
        if (mapped->count == 0 || mapped->starts[mapped->count - 1] != mapped->starts[i])
            mapped->starts[mapped->count++] = mapped->starts[i];
    }
}

/* The piece that the address is in; the count where it lies in front of all. */
static size_t piece_of(const struct mapped *mapped, uint64_t address)
{
    size_t low = 0, high = mapped->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mapped->starts[middle] <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? low - 1 : mapped->count;
}

/* The first piece from this one on that no module has taken. `next` leads there in steps, which are made longer on the way. */
static size_t first_free(size_t *next, size_t piece)
{
    while (next[piece] != piece) {
        next[piece] = next[next[piece]];
        piece = next[piece];
    }
    return piece;
}

void gci_mapped_make(struct mapped *mapped, const struct profile *profile)
{
    *mapped = (struct mapped){0};
    find_borders(mapped, profile);
    mapped->modules = gci_memory_take(mapped->count, sizeof *mapped->modules);
    size_t *next = gci_memory_take(mapped->count + 1, sizeof *next);
    for (size_t i = 0; i <= mapped->count; i++)
        next[i] = i;
    for (size_t i = 0; i < mapped->count; i++)
        mapped->modules[i] = PROFILE_NO_MODULE;
    for (size_t module = profile->module_count; module > 0; module--) {
        size_t end = piece_of(mapped, profile->modules[module - 1].end);
        size_t piece = first_free(next, piece_of(mapped, profile->modules[module - 1].start));
        for (; piece < end; piece = first_free(next, piece)) {
            mapped->modules[piece] = (uint32_t)(module - 1);
            next[piece] = piece + 1;
        }
    }
    free(next);
}

uint32_t gci_mapped_find(const struct mapped *mapped, uint64_t address)
{
    size_t piece = piece_of(mapped, address);
    return piece < mapped->count ? mapped->modules[piece] : PROFILE_NO_MODULE;
}

void gci_mapped_forget(struct mapped *mapped)
{
    free(mapped->starts);
    free(mapped->modules);
}
