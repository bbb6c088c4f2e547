/* SPDX-License-Identifier: MIT */
/* Where a profile ends, as everything that shows one takes it: the last moment that is not a peak. One that the timer made has
 * only what lives then; for the rest, what was last told of a stack and thread stays, and nothing of it lives any more. Of freed
 * objects and bytes a row tells what its own moment told: nobody asks the end for those.
 *
 * A moment that lacks rows does not tell what was freed: it is only the end where no other has all of its rows. What it does tell
 * is right.
 */
#include "cli/base/numbers.h"
#include "cli/profile/source.h"

/* Rows so far, and their numbers by stack and thread. */
struct merging {
    struct profile_source *source;
    struct numbers numbers;
};

static struct profile_figures *row_of(struct merging *merging, const struct profile_figures *figures)
{
    struct profile_source *source = merging->source;
    uint32_t number = gci_numbers_put(&merging->numbers, numbers_pair(figures->stack, figures->thread));
    source->last_rows =
        gci_memory_grow(source->last_rows, &source->last_room, merging->numbers.count, sizeof *source->last_rows);
    return &source->last_rows[number];
}

static void end_life(struct profile_figures *row)
{
    row->live_objects = row->live_bytes = 0;
    for (unsigned i = 0; i < PROFILE_LIFETIMES; i++)
        row->ages[i] = 0;
}

static void merge(struct merging *merging, const struct profile_moment_rows *moment)
{
    for (size_t i = 0; i < moment->count; i++)
        *row_of(merging, &moment->rows[i]) = moment->rows[i];
}

static void merge_all(struct profile *profile)
{
    struct merging merging = {.source = profile->source};
    const struct profile_moment_rows *last = &profile->moments[profile->last_at];
    for (const struct profile_moment_rows *moment = profile->moments; moment < last; moment++) {
        if (moment->moment.reason != PROFILE_PEAK)
            merge(&merging, moment);
    }
    for (size_t i = 0; i < merging.numbers.count && gci_profile_is_whole(last); i++)
        end_life(&merging.source->last_rows[i]); /* what lives still is told again */
    merge(&merging, last);
    profile->last.rows = profile->source->last_rows;
    profile->last.count = merging.numbers.count;
    gci_numbers_forget(&merging.numbers);
}

/* Index + 1 of the last moment that is a peak, or that is none: one with all its rows, else one with any. 0: there is none. */
static size_t find_moment(const struct profile *profile, bool is_peak)
{
    size_t torn = 0;
    for (size_t i = profile->moment_count; i > 0; i--) {
        const struct profile_moment_rows *moment = &profile->moments[i - 1];
        if ((moment->moment.reason == PROFILE_PEAK) != is_peak)
            continue;
        if (gci_profile_is_whole(moment))
            return i;
        torn = torn == 0 && moment->count > 0 ? i : torn;
    }
    return torn;
}

void gci_last_find(struct profile *profile)
{
    size_t found = find_moment(profile, false);
    profile->has_last = found > 0;
    if (found == 0)
        return;
    profile->last_at = found - 1;
    profile->last = profile->moments[found - 1];
    if (profile->last.moment.reason == PROFILE_TIMER)
        merge_all(profile);
}

const struct profile_moment_rows *gci_profile_last(const struct profile *profile)
{
    return profile->has_last ? &profile->last : NULL;
}

const struct profile_moment_rows *gci_profile_peak(const struct profile *profile)
{
    size_t found = find_moment(profile, true);
    return found > 0 ? &profile->moments[found - 1] : NULL;
}

bool gci_profile_is_whole(const struct profile_moment_rows *moment)
{
    return moment->count >= moment->moment.rows;
}
