/* SPDX-License-Identifier: MIT */
/* Figures: for gca_stats_get, for the table at exit, for the line that `gcalloc stat` reads. */
#include <gcalloc.h>

#include "api/init.h"
#include "api/programs/sandbox.h"
#include "base/options.h"
#include "collect/cycle.h"
#include "heap/block.h"
#include "heap/region.h"
#include "platform/env.h"
#include "platform/thread.h"

static uint64_t metadata_bytes(const struct heap *heap)
{
    uint64_t for_unit = sizeof(struct hot) + sizeof(struct block) + 4 * sizeof(uint64_t[BITMAP_WORDS]);
    return heap->frontier * for_unit + word_load(&heap->bump_bytes);
}

static struct gca_stats gather(void)
{
    const struct heap *heap = &gci_heap;
    const struct cycle_totals *totals = &gci_cycle_totals;
    return (struct gca_stats){
        .size = sizeof(struct gca_stats),
        .heap_bytes = region_used_bytes(heap),
        .heap_peak_bytes = word_load(&heap->peak_bytes),
        .live_bytes = totals->live_bytes,
        .live_objects = totals->live_objects,
        .cycles = totals->cycles,
        .cycles_given_up = totals->given_up,
        .reclaimed_bytes = totals->freed_bytes,
        .reclaimed_objects = totals->freed_objects,
        .pause_last_ns = totals->pause_last_ns,
        .pause_longest_ns = totals->pause_longest_ns,
        .pause_total_ns = totals->pause_total_ns,
        .mark_total_ns = totals->mark_total_ns,
        .sweep_total_ns = totals->sweep_total_ns,
        .threads_stopped = totals->threads_stopped,
        .released_bytes = word_load(&heap->released_bytes),
        .metadata_bytes = metadata_bytes(heap),
        .threshold_bytes = gci_cycle_threshold(),
        .cycles_for_growth = totals->cycles_for[REASON_GROWTH],
        .cycles_for_limit = totals->cycles_for[REASON_LIMIT],
        .cycles_for_memory = totals->cycles_for[REASON_MEMORY],
        .cycles_for_request = totals->cycles_for[REASON_REQUEST],
        .finalizers_due = totals->finalizers_due,
        .finalizers_waiting = totals->finalizers_waiting,
    };
}

GCA_API void gca_stats_get(struct gca_stats *stats)
{
    struct gca_stats all = gather();
    size_t bytes = stats->size < sizeof all ? stats->size : sizeof all;
    all.size = stats->size;
    __builtin_memcpy(stats, &all, bytes);
}

/* ---- At exit ------------------------------------------------------------------------------------------------------ */

static void add_figure(struct text *line, const char *name, uint64_t value)
{
    gci_text_add(line, " ");
    gci_text_add(line, name);
    gci_text_add(line, "=");
    gci_text_add_decimal(line, value);
}

static bool is_plain(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '+' || c == '-';
}

static void add_program(struct text *line)
{
    for (const char *name = gci_env_program(); *name != '\0'; name++) {
        char letter[2] = {is_plain(*name) ? *name : '?', '\0'};
        gci_text_add(line, letter);
    }
}

static void append_record(const struct gca_stats *stats, const struct census *leaks)
{
    struct text line;
    gci_text_init(&line);
    gci_text_add(&line, "pid=");
    gci_text_add_decimal(&line, gci_process_id());
    gci_text_add(&line, " name=");
    add_program(&line);
    add_figure(&line, "cycles", stats->cycles);
    add_figure(&line, "given_up", stats->cycles_given_up);
    add_figure(&line, "pause_total_ns", stats->pause_total_ns);
    add_figure(&line, "pause_longest_ns", stats->pause_longest_ns);
    add_figure(&line, "heap_peak_bytes", stats->heap_peak_bytes);
    add_figure(&line, "live_bytes", leaks->live_bytes);
    add_figure(&line, "reclaimed_bytes", stats->reclaimed_bytes);
    add_figure(&line, "reclaimed_objects", stats->reclaimed_objects);
    add_figure(&line, "leaked_bytes", leaks->freed_bytes);
    add_figure(&line, "leaked_objects", leaks->freed_objects);
    add_figure(&line, "released_bytes", stats->released_bytes);
    gci_text_add(&line, "\n");
    if (!gci_env_append_line(gci_options.stats_file, line.bytes, line.length))
        gci_env_report_string("GCALLOC_STATS_FILE: cannot be written");
}

#define LABEL_COLUMNS 26

static void print_row(const char *label, const struct text *value)
{
    struct text row;
    gci_text_init(&row);
    gci_text_add(&row, "  ");
    gci_text_add(&row, label);
    while (row.length < LABEL_COLUMNS)
        gci_text_add(&row, " ");
    gci_text_add(&row, value->bytes);
    gci_env_report(&row);
}

static void print_size(const char *label, uint64_t bytes)
{
    struct text value;
    gci_text_init(&value);
    gci_text_add_size(&value, bytes);
    print_row(label, &value);
}

static void print_size_of(const char *label, uint64_t bytes, uint64_t objects)
{
    struct text value;
    gci_text_init(&value);
    gci_text_add_size(&value, bytes);
    gci_text_add(&value, " in ");
    gci_text_add_decimal(&value, objects);
    gci_text_add(&value, objects == 1 ? " object" : " objects");
    print_row(label, &value);
}

static void print_pauses(const struct gca_stats *stats)
{
    struct text value;
    gci_text_init(&value);
    gci_text_add_decimal(&value, stats->cycles);
    gci_text_add(&value, ", paused ");
    gci_text_add_milliseconds(&value, stats->pause_total_ns, 2);
    gci_text_add(&value, " ms, longest ");
    gci_text_add_milliseconds(&value, stats->pause_longest_ns, 2);
    gci_text_add(&value, " ms, given up ");
    gci_text_add_decimal(&value, stats->cycles_given_up);
    print_row("cycles", &value);
}

static void print_table(const struct gca_stats *stats, const struct census *leaks)
{
    struct text title;
    gci_text_init(&title);
    gci_text_add(&title, "figures of ");
    add_program(&title);
    gci_text_add(&title, ", process ");
    gci_text_add_decimal(&title, gci_process_id());
    gci_env_report(&title);
    print_pauses(stats);
    print_size("heap at its peak", stats->heap_peak_bytes);
    print_size_of("reclaimed by cycles", stats->reclaimed_bytes, stats->reclaimed_objects);
    print_size_of("reachable at exit", leaks->live_bytes, leaks->live_objects);
    print_size_of("leaked at exit", leaks->freed_bytes, leaks->freed_objects);
    print_size("returned to the system", stats->released_bytes);
    print_size("gcalloc's own memory", stats->metadata_bytes);
}

static uint32_t started_process; /* forked children that run no program of their own print no table */

void gci_stats_init(void)
{
    started_process = gci_process_id();
    if (gci_options.stats)
        gci_env_keep_error_stream(); /* many programs close standard error before destructors run */
}

void gci_stats_at_exit(void)
{
    bool wants_record = gci_options.stats_file[0] != '\0';
    bool is_silent = gci_sandbox_is_entered(); /* then there is nobody to ask who this process is */
    bool wants_table = !is_silent && gci_options.stats && gci_process_id() == started_process;
    struct census leaks = {0};
    if (is_silent || (!wants_table && !wants_record))
        return;
    struct gca_stats stats = gather();
    gci_cycle_census(&leaks);
    if (wants_record)
        append_record(&stats, &leaks);
    if (wants_table)
        print_table(&stats, &leaks);
}
