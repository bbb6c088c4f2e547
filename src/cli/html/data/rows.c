/* SPDX-License-Identifier: MIT */
#include "cli/html/data/rows.h"

#include <stdlib.h>

#include "cli/base/memory.h"

#define FIRST_ROWS 1024U /* a power of two */

static uint32_t *slot_of(const struct page_rows *rows, uint32_t stack, uint32_t thread)
{
    uint64_t hash = ((uint64_t)stack << 32 | thread) * 0x9E3779B97F4A7C15U;
    uint32_t mask = rows->space * 2 - 1, at = (uint32_t)(hash >> 32) & mask;
    for (;; at = (at + 1) & mask) {
        uint32_t *slot = &rows->slots[at];
        if (*slot == 0 || (rows->rows[*slot - 1].stack == stack && rows->rows[*slot - 1].thread == thread))
            return slot;
    }
}

static void grow(struct page_rows *rows)
{
    size_t room = rows->space;
    rows->space = rows->space == 0 ? FIRST_ROWS : rows->space * 2;
    rows->rows = gci_memory_grow(rows->rows, &room, rows->space, sizeof *rows->rows);
    free(rows->slots);
    rows->slots = gci_memory_take((size_t)rows->space * 2, sizeof *rows->slots);
    for (uint32_t i = 0; i < rows->count; i++)
        *slot_of(rows, rows->rows[i].stack, rows->rows[i].thread) = i + 1;
}

static struct page_row *row_for(struct page_rows *rows, const struct profile_figures *figures)
{
    if (rows->count == rows->space)
        grow(rows);
    uint32_t *slot = slot_of(rows, figures->stack, figures->thread);
    if (*slot == 0) {
        rows->rows[rows->count++] = (struct page_row){.stack = figures->stack, .thread = figures->thread};
        *slot = rows->count;
    }
    return &rows->rows[*slot - 1];
}

void gci_rows_gather(struct page_rows *rows, const struct profile *profile)
{
    const struct profile_moment_rows *last = gci_profile_last(profile);
    *rows = (struct page_rows){0};
    for (size_t i = 0; i < profile->moment_count; i++) {
        const struct profile_moment_rows *moment = &profile->moments[i];
        for (size_t j = 0; j < moment->count; j++)
            row_for(rows, &moment->rows[j]);
    }
    for (size_t j = 0; last && j < last->count; j++)
        row_for(rows, &last->rows[j])->figures = &last->rows[j];
}

uint32_t gci_rows_find(const struct page_rows *rows, const struct profile_figures *figures)
{
    return rows->count == 0 ? UINT32_MAX : *slot_of(rows, figures->stack, figures->thread) - 1;
}

void gci_rows_forget(struct page_rows *rows)
{
    free(rows->rows);
    free(rows->slots);
}
