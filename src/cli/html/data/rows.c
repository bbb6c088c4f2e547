/* SPDX-License-Identifier: MIT */
#include "cli/html/data/rows.h"

#include <stdlib.h>

#include "cli/base/memory.h"

static struct page_row *row_for(struct page_rows *rows, const struct profile_figures *figures)
{
    uint32_t number = gci_numbers_put(&rows->numbers, numbers_pair(figures->stack, figures->thread));
    rows->rows = gci_memory_grow(rows->rows, &rows->room, rows->numbers.count, sizeof *rows->rows);
    if (number == rows->count) {
        rows->rows[number] = (struct page_row){.stack = figures->stack, .thread = figures->thread};
        rows->count++;
    }
    return &rows->rows[number];
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
    return gci_numbers_find(&rows->numbers, numbers_pair(figures->stack, figures->thread));
}

void gci_rows_forget(struct page_rows *rows)
{
    free(rows->rows);
    gci_numbers_forget(&rows->numbers);
}
