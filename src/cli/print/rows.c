/* SPDX-License-Identifier: MIT */
#include "cli/print/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/print/json.h"
#include "cli/print/print.h"

void gci_rows_command(const struct profile *profile)
{
    unsigned left = PRINT_COLUMNS - 24; /* of the line, whose end is the process */
    for (size_t i = 0; profile->words[i] && left > 4; i++) {
        const char *word = profile->words[i], *slash = i == 0 ? strrchr(word, '/') : NULL;
        if (slash)
            word = slash + 1;
        unsigned width = gci_print_width(word);
        if (i > 0)
            putchar(' ');
        gci_print_text(stdout, word, left);
        left = width + 1 < left ? left - width - 1 : 0;
    }
    printf("   (process %" PRIu32 ")\n", profile->header.process);
}

void gci_rows_head(void)
{
    printf("%10s %12s  %-*s  where\n", "bytes", "objects", ROWS_BAR_COLUMNS, "share");
}

void gci_rows_where_json(const struct profile *profile, uint32_t frame)
{
    if (frame == TOTALS_NO_FRAME)
        gci_json_text("where", NULL);
    else
        gci_json_frame("where", profile, &profile->frames[frame]);
}

void gci_rows_site(const struct profile *profile, const struct totals *totals, uint32_t number, enum total total)
{
    static const struct profile_frame unknown = {.function = "(not known: no sample has its stack)"};
    const struct site *site = &totals->sites[number];
    const struct figure *figure = &site->row.figures[total], *all = &totals->all.figures[total];
    double part = (double)(all->bytes > 0 ? figure->bytes : figure->objects);
    double whole = (double)(all->bytes > 0 ? all->bytes : all->objects);
    printf("%10s %12s  %s  ", gci_print_bytes(figure->bytes).text, gci_print_count(figure->objects).text,
           gci_print_bar(part, whole, ROWS_BAR_COLUMNS).text);
    gci_print_frame(stdout, site->frame == TOTALS_NO_FRAME ? &unknown : &profile->frames[site->frame],
                    PRINT_COLUMNS - ROWS_PLACE_COLUMN);
    putchar('\n');
}
