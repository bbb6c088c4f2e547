/* SPDX-License-Identifier: MIT */
#include "cli/html/plain.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/base/memory.h"
#include "cli/html/data/text.h"
#include "cli/print/print.h"

#define ROWS_SHOWN 25
#define FRAMES_SHOWN 12

static void put_frame(FILE *stream, const struct profile_frame *frame)
{
    gci_text_html(stream, frame->function);
    if (!frame->file)
        return;
    fputs(" (", stream);
    gci_text_html(stream, frame->file);
    fprintf(stream, ":%" PRIu32 ")", frame->line);
}

static void put_stack(FILE *stream, const struct profile *profile, uint32_t stack)
{
    const struct profile_stack_frames *frames = stack < profile->stack_count ? &profile->stacks[stack] : NULL;
    unsigned shown = 0;
    for (uint32_t i = 0; frames && i < frames->count && shown < FRAMES_SHOWN; i++) {
        const struct profile_frame *frame = &profile->frames[frames->frames[i]];
        if (frame->is_allocator && i + 1 < frames->count)
            continue;
        fputs(shown++ > 0 ? " &larr; " : "", stream);
        put_frame(stream, frame);
    }
    if (shown == 0)
        fputs("[unknown]", stream);
}

static void put_row(FILE *stream, const struct profile *profile, uint64_t bytes, uint64_t objects, uint32_t stack)
{
    fprintf(stream, "<tr><td>%s<td>%" PRIu64 "<td>", gci_print_bytes(bytes).text, objects);
    put_stack(stream, profile, stack);
    fputs("</tr>\n", stream);
}

static void open_table(FILE *stream, const char *title)
{
    fprintf(stream, "<h2>%s</h2>\n<table><tr><th>bytes<th>objects<th>allocated by</tr>\n", title);
}

static int compare_leaks(const void *left, const void *right, void *context)
{
    const struct profile_leak *leaks = context;
    uint64_t a = leaks[*(const size_t *)left].bytes, b = leaks[*(const size_t *)right].bytes;
    return a < b ? 1 : -(a > b);
}

static int compare_figures(const void *left, const void *right, void *context)
{
    const struct profile_figures *rows = context;
    uint64_t a = rows[*(const size_t *)left].live_bytes, b = rows[*(const size_t *)right].live_bytes;
    return a < b ? 1 : -(a > b);
}

/* The numbers of `count` rows, those with most first; for free(). */
static size_t *sort_rows(size_t count, int (*compare)(const void *, const void *, void *), void *rows)
{
    size_t *order = gci_memory_take(count, sizeof *order);
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    qsort_r(order, count, sizeof *order, compare, rows);
    return order;
}

static void put_leaks(FILE *stream, const struct profile *profile)
{
    size_t *order = sort_rows(profile->leak_count, compare_leaks, profile->leaks);
    open_table(stream, profile->knows_leaks
                           ? "Leaks: not freed, and nothing points there; those that were collected too"
                           : "Leaks: nobody has looked for all of them");
    for (size_t i = 0; i < profile->leak_count && i < ROWS_SHOWN; i++) {
        const struct profile_leak *leak = &profile->leaks[order[i]];
        put_row(stream, profile, leak->bytes, leak->objects, leak->stack);
    }
    fputs("</table>\n", stream);
    free(order);
}

static void put_live(FILE *stream, const struct profile *profile)
{
    const struct profile_moment_rows *last = gci_profile_last(profile);
    size_t count = last ? last->count : 0;
    size_t *order = sort_rows(count, compare_figures, last ? last->rows : NULL);
    open_table(stream, "Alive at the end");
    for (size_t i = 0; i < count && i < ROWS_SHOWN && last->rows[order[i]].live_bytes > 0; i++) {
        const struct profile_figures *row = &last->rows[order[i]];
        put_row(stream, profile, row->live_bytes, row->live_objects, row->stack);
    }
    fputs("</table>\n", stream);
    free(order);
}

void gci_plain_write(FILE *stream, const struct profile *profile)
{
    fputs("<p>Command:", stream);
    for (size_t i = 0; profile->words && profile->words[i]; i++) {
        fputc(' ', stream);
        gci_text_html(stream, profile->words[i]);
    }
    fprintf(stream, "<p>Process %" PRIu32 ", %.1f s, %zu collections. Most alive at any time: %s.\n",
            profile->header.process, (double)profile->duration_ns / 1e9, profile->cycle_count,
            gci_print_bytes(profile->end.peak_bytes).text);
    put_leaks(stream, profile);
    put_live(stream, profile);
}
