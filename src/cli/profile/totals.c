/* SPDX-License-Identifier: MIT */
#include "cli/profile/totals.h"

#include <stdlib.h>
#include <string.h>

#include "cli/base/hash.h"
#include "cli/base/memory.h"

const struct total_kind gci_total_kinds[TOTAL_COUNT] = {
    [TOTAL_LIVE] = {"live", "Live at the end"},
    [TOTAL_PEAK] = {"peak", "At the peak"},
    [TOTAL_ALLOCATED] = {"allocated", "Allocated in all"},
    [TOTAL_LEAKED] = {"leaked", "Leaked: unreachable and not freed"},
    [TOTAL_COLLECTED] = {"collected", "Leaked and collected"},
    [TOTAL_TEMPORARY] = {"temporary", "Temporary: freed right after"},
};

/* ---- Sites ---- */

static bool is_of_library(const struct profile_frame *frame)
{
    return frame->has_name &&
           (strncmp(frame->function, "std::", 5) == 0 || strncmp(frame->function, "__gnu_cxx::", 11) == 0);
}

uint32_t gci_totals_frame(const struct profile *profile, uint32_t stack)
{
    const struct profile_stack_frames *frames = &profile->stacks[stack];
    uint32_t found = TOTALS_NO_FRAME;
    for (uint32_t i = 0; i < frames->count; i++) {
        const struct profile_frame *frame = &profile->frames[frames->frames[i]];
        if (frame->is_allocator)
            continue;
        if (!is_of_library(frame))
            return frames->frames[i];
        if (found == TOTALS_NO_FRAME)
            found = frames->frames[i];
    }
    return found != TOTALS_NO_FRAME || frames->count == 0 ? found : frames->frames[frames->count - 1];
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same_site(const struct profile *profile, uint32_t a, uint32_t b)
{
    if (a == b || a == TOTALS_NO_FRAME || b == TOTALS_NO_FRAME)
        return a == b;
    const struct profile_frame *one = &profile->frames[a], *other = &profile->frames[b];
    return one->line == other->line && is_same_text(one->function, other->function) &&
           is_same_text(one->file, other->file);
}

/* Behind what `hash` is of. */
static uint64_t hash_site(uint64_t hash, const struct profile *profile, uint32_t frame)
{
    if (frame == TOTALS_NO_FRAME)
        return gci_hash_number(hash);
    const struct profile_frame *known = &profile->frames[frame];
    return gci_hash_number(gci_hash_text(gci_hash_text(hash, known->function), known->file) ^ known->line);
}

/* Each stack gets the site that its frame names; equal ones share it. */
static void find_sites(struct totals *totals, const struct profile *profile)
{
    size_t room = 1, site_room = 0;
    while (room < profile->stack_count * 2)
        room *= 2;
    uint32_t *table = gci_memory_take(room, sizeof *table); /* numbers of sites, from 1 */
    for (uint32_t stack = 0; stack < profile->stack_count; stack++) {
        uint32_t frame = gci_totals_frame(profile, stack);
        size_t at = hash_site(0, profile, frame) & (room - 1);
        while (table[at] != 0 && !is_same_site(profile, totals->sites[table[at] - 1].frame, frame))
            at = (at + 1) & (room - 1);
        if (table[at] == 0) {
            totals->sites = gci_memory_grow(totals->sites, &site_room, totals->site_count + 1, sizeof *totals->sites);
            totals->sites[totals->site_count++] = (struct site){.frame = frame};
            table[at] = (uint32_t)totals->site_count;
        }
        totals->site_of[stack] = table[at] - 1;
        totals->sites[table[at] - 1].stacks++;
    }
    free(table);
}

/* ---- Stacks that read alike ---- */

static uint64_t hash_frames(const struct profile *profile, uint32_t stack)
{
    const struct profile_stack_frames *frames = &profile->stacks[stack];
    uint64_t hash = 0;
    for (uint32_t i = 0; i < frames->count; i++)
        hash = hash_site(hash, profile, frames->frames[i]);
    return hash;
}

static bool read_alike(const struct profile *profile, uint32_t a, uint32_t b)
{
    const struct profile_stack_frames *one = &profile->stacks[a], *other = &profile->stacks[b];
    bool alike = one->count == other->count;
    for (uint32_t i = 0; alike && i < one->count; i++)
        alike = is_same_site(profile, one->frames[i], other->frames[i]) &&
                profile->frames[one->frames[i]].module == profile->frames[other->frames[i]].module;
    return alike;
}

uint32_t *gci_totals_alike(const struct profile *profile)
{
    size_t room = 1;
    while (room < profile->stack_count * 2)
        room *= 2;
    uint32_t *table = gci_memory_take(room, sizeof *table); /* numbers of stacks, from 1 */
    uint32_t *alike = gci_memory_take(profile->stack_count, sizeof *alike);
    for (uint32_t stack = 0; stack < profile->stack_count; stack++) {
        size_t at = hash_frames(profile, stack) & (room - 1);
        while (table[at] != 0 && !read_alike(profile, table[at] - 1, stack))
            at = (at + 1) & (room - 1);
        if (table[at] == 0)
            table[at] = stack + 1;
        alike[stack] = table[at] - 1;
    }
    free(table);
    return alike;
}

/* ---- Figures ---- */

static void add_figure(struct totals_row *row, enum total total, uint64_t bytes, uint64_t objects)
{
    row->figures[total].bytes += bytes;
    row->figures[total].objects += objects;
}

/* Bytes of the objects that were freed right after; as many as there can be, where the figures contradict each other. */
static uint64_t temporary_bytes(const struct profile_figures *figures)
{
    if (figures->temporary_objects >= figures->allocated_objects)
        return figures->allocated_bytes;
    double mean = (double)figures->allocated_bytes / (double)figures->allocated_objects;
    double bytes = mean * (double)figures->temporary_objects;
    return bytes < (double)figures->allocated_bytes ? (uint64_t)bytes : figures->allocated_bytes;
}

static void add_figures(struct totals_row *row, const struct profile_figures *figures)
{
    add_figure(row, TOTAL_LIVE, figures->live_bytes, figures->live_objects);
    add_figure(row, TOTAL_ALLOCATED, figures->allocated_bytes, figures->allocated_objects);
    add_figure(row, TOTAL_COLLECTED, figures->reclaimed_bytes, figures->reclaimed_objects);
    add_figure(row, TOTAL_TEMPORARY, temporary_bytes(figures), figures->temporary_objects);
    row->samples += figures->samples;
}

static void add_row(struct totals_row *sum, const struct totals_row *row)
{
    for (int i = 0; i < TOTAL_COUNT; i++)
        add_figure(sum, (enum total)i, row->figures[i].bytes, row->figures[i].objects);
    sum->samples += row->samples;
}

void gci_totals_make(struct totals *totals, const struct profile *profile)
{
    const struct profile_moment_rows *last = gci_profile_last(profile), *peak = gci_profile_peak(profile);
    *totals = (struct totals){0};
    totals->stacks = gci_memory_take(profile->stack_count, sizeof *totals->stacks);
    totals->threads = gci_memory_take(profile->thread_count, sizeof *totals->threads);
    totals->site_of = gci_memory_take(profile->stack_count, sizeof *totals->site_of);
    uint32_t *alike = gci_totals_alike(profile);
    for (size_t i = 0; last && i < last->count; i++) {
        add_figures(&totals->stacks[alike[last->rows[i].stack]], &last->rows[i]);
        add_figures(&totals->threads[last->rows[i].thread], &last->rows[i]);
    }
    for (size_t i = 0; peak && i < peak->count; i++) {
        const struct profile_figures *row = &peak->rows[i];
        add_figure(&totals->stacks[alike[row->stack]], TOTAL_PEAK, row->live_bytes, row->live_objects);
        add_figure(&totals->threads[row->thread], TOTAL_PEAK, row->live_bytes, row->live_objects);
    }
    for (size_t i = 0; i < profile->leak_count; i++) {
        const struct profile_leak *leak = &profile->leaks[i];
        if (!leak->is_collected && gci_profile_leak_counts(profile, leak))
            add_figure(&totals->stacks[alike[leak->stack]], TOTAL_LEAKED, leak->bytes, leak->objects);
    }
    free(alike);
    find_sites(totals, profile);
    for (size_t i = 0; i < profile->stack_count; i++) {
        add_row(&totals->sites[totals->site_of[i]].row, &totals->stacks[i]);
        add_row(&totals->all, &totals->stacks[i]);
    }
}

void gci_totals_forget(struct totals *totals)
{
    free(totals->stacks);
    free(totals->threads);
    free(totals->sites);
    free(totals->site_of);
    *totals = (struct totals){0};
}

/* ---- Order ---- */

struct ranked {
    struct figure figure;
    uint32_t number;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *one = a, *other = b;
    if (one->figure.bytes != other->figure.bytes)
        return one->figure.bytes > other->figure.bytes ? -1 : 1;
    if (one->figure.objects != other->figure.objects)
        return one->figure.objects > other->figure.objects ? -1 : 1;
    return one->number < other->number ? -1 : one->number > other->number;
}

static uint32_t *numbers_in_order(struct ranked *ranked, size_t count)
{
    uint32_t *numbers = gci_memory_take(count, sizeof *numbers);
    if (count > 0)
        qsort(ranked, count, sizeof *ranked, compare_ranked);
    for (size_t i = 0; i < count; i++)
        numbers[i] = ranked[i].number;
    free(ranked);
    return numbers;
}

static void add_ranked(struct ranked *ranked, size_t *count, const struct totals_row *row, enum total total,
                       uint32_t number)
{
    if (row->figures[total].bytes > 0 || row->figures[total].objects > 0)
        ranked[(*count)++] = (struct ranked){.figure = row->figures[total], .number = number};
}

uint32_t *gci_totals_sort_sites(const struct totals *totals, enum total total, size_t *count)
{
    struct ranked *ranked = gci_memory_take(totals->site_count, sizeof *ranked);
    *count = 0;
    for (uint32_t i = 0; i < totals->site_count; i++)
        add_ranked(ranked, count, &totals->sites[i].row, total, i);
    return numbers_in_order(ranked, *count);
}

uint32_t *gci_totals_sort_stacks(const struct totals *totals, const struct profile *profile, uint32_t site,
                                 enum total total, size_t *count)
{
    struct ranked *ranked = gci_memory_take(totals->sites[site].stacks, sizeof *ranked);
    *count = 0;
    for (uint32_t i = 0; i < profile->stack_count; i++) {
        if (totals->site_of[i] == site)
            add_ranked(ranked, count, &totals->stacks[i], total, i);
    }
    return numbers_in_order(ranked, *count);
}
