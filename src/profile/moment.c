/* SPDX-License-Identifier: MIT */
/* Implementation of profile/moment.h. */
#include "profile/moment.h"

#include <errno.h>

#include "heap/region.h"
#include "platform/clock.h"
#include "platform/thread.h"
#include "platform/vm.h"
#include "profile/age.h"
#include "profile/sampler.h"

/* ---- Header and end ----------------------------------------------------------------------------------------------- */

#define COMMAND_BYTES_MAX ((size_t)65536) /* of a buffer four times as long */

void gci_moment_header(struct writer *writer, const char *version)
{
    uint64_t now_ns = gci_age_now_ns();
    struct profile_header header = {.magic = PROFILE_MAGIC,
                                    .version = PROFILE_VERSION,
                                    .process = gci_process_id(),
                                    .start_realtime_ns = gci_clock_realtime_ns() - now_ns,
                                    .rate_bytes = word_load(&gci_session.rate_bytes),
                                    .level = gci_session.level != 0 ? gci_session.level : PROFILE_LEVEL_SAMPLE};
    __builtin_strncpy(header.library, version, sizeof header.library - 1);
    char *command = writer->buffer + WRITER_BUFFER_BYTES - COMMAND_BYTES_MAX; /* the buffer is empty */
    size_t bytes = gci_env_command(command, COMMAND_BYTES_MAX, &header.words);
    gci_writer_begin(writer, PROFILE_HEADER);
    gci_writer_add(writer, &header, sizeof header);
    gci_writer_add(writer, command, bytes);
    gci_writer_end(writer);
}

void gci_moment_end(struct writer *writer)
{
    struct profile_end end = {.time_ns = gci_age_now_ns(),
                              .peak_bytes = gci_session.peak_bytes,
                              .peak_time_ns = gci_session.peak_ns,
                              .lost = word_load(&gci_session.lost)};
    gci_writer_record(writer, PROFILE_END, &end, sizeof end);
}

/* ---- Usage -------------------------------------------------------------------------------------------------------- */

/* The sums are exact where the session's own figure is only as good as the last word of each thread: that is put right. */
void gci_moment_usage(struct writer *writer)
{
    uint64_t parts = 0;
    struct profile_usage usage = {.time_ns = gci_age_now_ns(),
                                  .heap_bytes = region_used_bytes(&gci_heap),
                                  .resident_bytes = gci_vm_resident_bytes()};
    uint32_t count = gci_sites_row_count();
    for (uint32_t i = 0; i < count; i++) {
        const struct site_row *row = gci_sites_row(i);
        usage.live_bytes += gci_sampler_live(row).bytes;
        usage.allocated_bytes += word_load(&row->own.allocated_bytes);
        parts += word_load(&row->own.allocated_objects);
    }
    usage.allocated_objects = site_whole_objects(parts);
    word_store(&gci_session.live_bytes, usage.live_bytes);
    if (usage.live_bytes > word_load(&gci_session.live_most)) {
        word_store(&gci_session.live_most, usage.live_bytes);
        word_store(&gci_session.live_most_ns, usage.time_ns);
    }
    gci_writer_record(writer, PROFILE_USAGE, &usage, sizeof usage);
}

/* ---- Rows --------------------------------------------------------------------------------------------------------- */

struct rows {
    struct profile_figures *figures; /* by index of the row */
    uint32_t count;
    enum profile_reason reason;
    uint64_t now_ns;
};

/* A part of those that are gone is timed, and stands for all. */
static void gather_lifetimes(struct profile_figures *to, const struct site_rest *rest, uint64_t gone)
{
    uint64_t timed = 0;
    for (unsigned i = 0; i < PROFILE_LIFETIMES; i++)
        timed += word_load(&rest->lifetimes[i]);
    for (unsigned i = 0; i < PROFILE_LIFETIMES && timed != 0; i++) {
        double parts = (double)word_load(&rest->lifetimes[i]) * (double)gone / (double)timed;
        to->lifetimes[i] = site_whole_objects((uint64_t)parts);
    }
}

/* The live figures are what follows from the others, so that a row agrees with itself. */
static void gather_row(struct profile_figures *to, const struct site_row *row)
{
    const struct site_rest *rest = gci_sites_rest(row);
    const struct site_others *others = &rest->others;
    uint64_t gone =
        word_load(&row->own.freed_objects) + word_load(&others->freed_objects) + word_load(&others->reclaimed_objects);
    gather_lifetimes(to, rest, gone);
    to->stack = rest->stack;
    to->thread = site_thread(row);
    to->samples = word_load(&row->own.samples);
    to->allocated_objects = site_whole_objects(word_load(&row->own.allocated_objects));
    to->allocated_bytes = word_load(&row->own.allocated_bytes);
    to->reclaimed_objects = site_whole_objects(word_load(&others->reclaimed_objects));
    to->reclaimed_bytes = word_load(&others->reclaimed_bytes);
    to->freed_objects = site_whole_objects(gone) - to->reclaimed_objects;
    to->freed_bytes = word_load(&row->own.freed_bytes) + word_load(&others->freed_bytes);
    to->temporary_objects = site_whole_objects(word_load(&row->own.temporary_objects));
    uint64_t gone_objects = to->freed_objects + to->reclaimed_objects;
    uint64_t gone_bytes = to->freed_bytes + to->reclaimed_bytes;
    to->live_objects = to->allocated_objects > gone_objects ? to->allocated_objects - gone_objects : 0;
    to->live_bytes = to->allocated_bytes > gone_bytes ? to->allocated_bytes - gone_bytes : 0;
}

static void gather_peak_row(struct profile_figures *to, const struct site_row *row)
{
    to->stack = gci_sites_rest(row)->stack;
    to->thread = site_thread(row);
    to->samples = word_load(&row->own.samples);
    to->live_objects = site_whole_objects(gci_sites_rest(row)->peak_objects);
    to->live_bytes = gci_sites_rest(row)->peak_bytes;
}

static void note_age(const struct sample *sample, uint32_t unit, uint32_t slot, void *data)
{
    const struct rows *rows = data;
    const struct site_row *row = gci_sampler_row(sample);
    uint32_t index = row == NULL ? rows->count : (uint32_t)(row - gci_sites_row(0));
    (void)unit;
    (void)slot;
    if (index >= rows->count)
        return;
    uint64_t born_ns = gci_age_born_ns(word_load(&sample->origin));
    unsigned age = gci_age_class(rows->now_ns > born_ns ? rows->now_ns - born_ns : 0);
    rows->figures[index].ages[age] += gci_sampler_objects(sample); /* in parts, for now */
}

static void gather_ages(struct rows *rows)
{
    gci_sample_each(&gci_heap, note_age, rows);
    for (uint32_t i = 0; i < rows->count; i++)
        for (unsigned age = 0; age < PROFILE_LIFETIMES; age++)
            rows->figures[i].ages[age] = site_whole_objects(rows->figures[i].ages[age]);
}

static bool is_wanted(const struct rows *rows, const struct profile_figures *figures)
{
    bool is_whole = rows->reason == PROFILE_DUMP || rows->reason == PROFILE_EXIT;
    return is_whole ? figures->samples != 0 : figures->live_bytes != 0 || figures->live_objects != 0;
}

static void write_rows(struct writer *writer, const struct rows *rows, struct profile_moment *moment)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        struct profile_figures *figures = &rows->figures[i];
        if (!is_wanted(rows, figures))
            continue;
        moment->rows++;
        moment->live_bytes += figures->live_bytes;
        moment->live_objects += figures->live_objects;
        figures->thread = gci_writer_thread(writer, figures->thread);
        gci_writer_stack(writer, figures->stack);
    }
    gci_writer_record(writer, PROFILE_MOMENT, moment, sizeof *moment);
    for (uint32_t i = 0; i < rows->count; i++)
        if (is_wanted(rows, &rows->figures[i]))
            gci_writer_record(writer, PROFILE_FIGURES, &rows->figures[i], sizeof rows->figures[i]);
}

static void gather(struct rows *rows)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        if (rows->reason == PROFILE_PEAK)
            gather_peak_row(&rows->figures[i], gci_sites_row(i));
        else
            gather_row(&rows->figures[i], gci_sites_row(i));
    }
    if (rows->reason == PROFILE_DUMP || rows->reason == PROFILE_EXIT)
        gather_ages(rows);
}

void gci_moment_write(struct writer *writer, enum profile_reason reason)
{
    struct rows rows = {.count = gci_sites_row_count(), .reason = reason, .now_ns = gci_age_now_ns()};
    struct profile_moment moment = {.time_ns = reason == PROFILE_PEAK ? gci_session.peak_ns : rows.now_ns,
                                    .reason = reason,
                                    .rate_bytes = word_load(&gci_session.rate_bytes)};
    size_t bytes = rows.count * sizeof *rows.figures;
    rows.figures = gci_vm_map(bytes);
    if (rows.figures == NULL) {
        writer->missing = ENOMEM;
        return;
    }
    gci_writer_mappings(writer);
    gather(&rows);
    write_rows(writer, &rows, &moment);
    gci_vm_unmap(rows.figures, bytes);
}
