/* SPDX-License-Identifier: MIT */
#include "cli/html/data/moments.h"

#include <stdlib.h>
#include <string.h>

#include "cli/base/memory.h"

/* Rows of all moments that the page takes: some 20 MB before they are compressed. */
#define MOMENT_ROWS 2000000U

/* What changes from moment to moment. */
struct page_state {
    uint64_t live, objects, allocated, allocations, reclaimed, temporary;
};

static const struct column state_columns[] = {
    COLUMN("live", page_state, live),           COLUMN("objects", page_state, objects),
    COLUMN("allocated", page_state, allocated), COLUMN("allocations", page_state, allocations),
    COLUMN("reclaimed", page_state, reclaimed), COLUMN("temporary", page_state, temporary),
};

struct change {
    uint32_t row;
    struct page_state state;
};

struct writing {
    const struct page_rows *rows;
    struct page_state *states; /* as the page knows them so far */
    struct page_state *next;   /* as they are at this moment, of the rows that may change there */
    uint32_t *looked_at;       /* number of the last moment that looked at the row, from 1 */
    uint32_t moment;           /* the one in hand */
    uint32_t *live;            /* rows of which something lives, and then those that may change */
    uint32_t live_count;
    struct change *changes;
};

static struct page_state state_of(const struct profile_figures *figures)
{
    return (struct page_state){
        .live = figures->live_bytes,
        .objects = figures->live_objects,
        .allocated = figures->allocated_bytes,
        .allocations = figures->allocated_objects,
        .reclaimed = figures->reclaimed_bytes,
        .temporary = figures->temporary_objects,
    };
}

static int compare_numbers(const void *left, const void *right)
{
    const uint32_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* Rows that may change: those of which something lived, and has gone unless the moment says otherwise, and the moment's own. */
static uint32_t find_candidates(struct writing *writing, const struct profile_moment_rows *moment)
{
    uint32_t count = writing->live_count;
    writing->moment++;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = writing->live[i];
        writing->looked_at[row] = writing->moment;
        writing->next[row] = writing->states[row];
        writing->next[row].live = writing->next[row].objects = 0;
    }
    for (size_t i = 0; i < moment->count; i++) {
        uint32_t row = gci_rows_find(writing->rows, &moment->rows[i]);
        if (row == NUMBERS_NONE)
            continue;
        if (writing->looked_at[row] != writing->moment)
            writing->live[count++] = row;
        writing->looked_at[row] = writing->moment;
        writing->next[row] = state_of(&moment->rows[i]);
    }
    qsort(writing->live, count, sizeof *writing->live, compare_numbers);
    return count;
}

/* In the order of the rows. */
static uint32_t find_changes(struct writing *writing, const struct profile_moment_rows *moment)
{
    uint32_t count = 0, candidates = find_candidates(writing, moment);
    writing->live_count = 0;
    for (uint32_t i = 0; i < candidates; i++) {
        uint32_t row = writing->live[i];
        const struct page_state *next = &writing->next[row];
        if (memcmp(&writing->states[row], next, sizeof *next) != 0)
            writing->changes[count++] = (struct change){row, *next};
        writing->states[row] = *next;
        if (next->live > 0 || next->objects > 0)
            writing->live[writing->live_count++] = row;
    }
    return count;
}

static void write_changes(struct json *json, const struct change *changes, uint32_t count)
{
    gci_columns_open_column(json, "row"); /* as steps from the row before: small numbers, mostly 1 */
    for (uint32_t i = 0; i < count; i++)
        gci_columns_value(json, changes[i].row - (i > 0 ? changes[i - 1].row : 0));
    gci_columns_close_column(json);
    gci_columns_table(json, "state", state_columns, sizeof state_columns / sizeof state_columns[0],
                      (const char *)changes + offsetof(struct change, state), sizeof *changes, count);
}

static void write_moment(struct json *json, const struct profile_moment *moment, const struct change *changes,
                         uint32_t count)
{
    gci_columns_open(json, NULL, '{');
    gci_columns_number(json, "t", moment->time_ns);
    gci_columns_number(json, "reason", moment->reason);
    gci_columns_number(json, "rate", moment->rate_bytes);
    write_changes(json, changes, count);
    gci_columns_close(json, '}');
}

/* Of how many moments by the timer one stays. */
static size_t choose_distance(const struct profile *profile)
{
    size_t sum = 0;
    for (size_t i = 0; i < profile->moment_count; i++)
        sum += profile->moments[i].moment.reason == PROFILE_TIMER ? profile->moments[i].count : 0;
    return sum / MOMENT_ROWS + 1;
}

static void write_course(struct json *json, const struct profile *profile, struct writing *writing)
{
    size_t distance = choose_distance(profile);
    for (size_t i = 0; i < profile->moment_count; i++) {
        const struct profile_moment_rows *moment = &profile->moments[i];
        bool is_last = profile->has_last && i == profile->last_at;
        bool is_spare = moment->moment.reason == PROFILE_TIMER && i % distance != 0;
        if (moment->moment.reason == PROFILE_PEAK || (!is_last && (is_spare || !gci_profile_is_whole(moment))))
            continue;
        uint32_t count = find_changes(writing, moment);
        write_moment(json, &moment->moment, writing->changes, count);
    }
}

/* What lived at the peak: all of it, as nothing goes before. */
static void write_peak(struct json *json, const struct profile *profile, struct writing *writing)
{
    const struct profile_moment_rows *peak = gci_profile_peak(profile);
    if (!peak)
        return;
    memset(writing->states, 0, writing->rows->count * sizeof *writing->states);
    writing->live_count = 0;
    write_moment(json, &peak->moment, writing->changes, find_changes(writing, peak));
}

void gci_moments_write(struct json *json, const struct profile *profile, const struct page_rows *rows)
{
    struct writing writing = {
        .rows = rows,
        .states = gci_memory_take(rows->count, sizeof *writing.states),
        .next = gci_memory_take(rows->count, sizeof *writing.next),
        .looked_at = gci_memory_take(rows->count, sizeof *writing.looked_at),
        .live = gci_memory_take(rows->count, sizeof *writing.live),
        .changes = gci_memory_take(rows->count, sizeof *writing.changes),
    };
    gci_columns_open(json, "moments", '[');
    write_course(json, profile, &writing);
    gci_columns_close(json, ']');
    gci_columns_open(json, "peak", '[');
    write_peak(json, profile, &writing);
    gci_columns_close(json, ']');
    free(writing.states);
    free(writing.next);
    free(writing.looked_at);
    free(writing.live);
    free(writing.changes);
}
