/* SPDX-License-Identifier: MIT */
#include "cli/show/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/base/arguments.h"
#include "cli/base/message.h"
#include "cli/html/save.h"
#include "cli/print/json.h"
#include "cli/print/print.h"
#include "cli/print/rows.h"
#include "cli/print/view.h"
#include "cli/profile/totals.h"

#define ROWS_USUAL 10
#define STACK_INDENT 12

struct report {
    struct view view;
    struct save save; /* as a page */
    uint64_t rows, stacks;
    bool threads, sizes;
    enum total only; /* TOTAL_COUNT: all lists */
};

/* ---- Options ---- */

static const struct arguments_option options[] = {
    {.name = "sort",
     .value = "KIND",
     .help = "One list alone: " TOTAL_NAMES,
     .choices = TOTAL_NAMES,
     ARGUMENTS_SET_CHOICE(struct report, only)},
    {.name = "stacks",
     .value = "NUMBER",
     .help = "Show so many call stacks of each row",
     ARGUMENTS_SET_NUMBER(struct report, stacks)},
    {.name = "sizes",
     .help = "A table of all objects in the heap by size, and how full their blocks are",
     ARGUMENTS_SET_FLAG(struct report, sizes)},
    {.name = "threads", .help = "A table of threads too", ARGUMENTS_SET_FLAG(struct report, threads)},
    {.name = "top",
     .value = "NUMBER",
     .help = "So many rows in each list, in place of 10",
     .least = 1,
     ARGUMENTS_SET_NUMBER(struct report, rows)},
    {0},
};

static const struct arguments_part parts[] = {
    {&gci_view_arguments, offsetof(struct report, view)}, {&gci_save_arguments, offsetof(struct report, save)}, {0}};

const struct arguments gci_report_arguments = {
    .options = options,
    .words = "FILE|PID",
    .about = "Shows what a profile says: a summary, and the places that live, peak, allocate and leak most."
             "\vA place is the innermost function that is neither malloc's nor operator new's. FILE is a profile of "
             "'gcalloc record', PID a running process that has the library.",
    .parts = parts,
};

/* ---- The summary ---- */

static void print_precision(const struct profile *profile, uint64_t samples)
{
    if (profile->header.level == PROFILE_LEVEL_FULL) {
        puts("exact: each allocation was counted");
        return;
    }
    struct cell distance = gci_print_bytes(profile->header.rate_bytes);
    if (samples == 0)
        printf("no samples, one in %s: too little was allocated for estimates\n", distance.text);
    else
        printf("estimates from %s sample%s, one in %s: right to about %.1f %% in all\n", gci_print_count(samples).text,
               gci_print_plural(samples), distance.text, 100 / sqrt((double)samples));
}

static void print_how(const struct profile *profile, const struct totals *totals)
{
    time_t start = (time_t)(profile->header.start_realtime_ns / 1000000000);
    char date[64] = "";
    struct tm local;
    if (localtime_r(&start, &local))
        strftime(date, sizeof date, ", from %Y-%m-%d %H:%M:%S", &local);
    printf("ran %s%s%s\n", gci_print_time(profile->duration_ns).text, date,
           profile->is_complete ? "" : "; the profile has no end");
    print_precision(profile, totals->all.samples);
}

static void print_peak(const struct profile *profile)
{
    const struct profile_moment_rows *peak = gci_profile_peak(profile);
    uint64_t bytes = profile->end.peak_bytes, time_ns = profile->end.peak_time_ns;
    if (bytes == 0 && peak) {
        bytes = peak->moment.live_bytes;
        time_ns = peak->moment.time_ns;
    }
    if (bytes > 0)
        printf("  peak        %12s   after %s\n", gci_print_bytes(bytes).text, gci_print_time(time_ns).text);
}

static void print_figure(const char *label, const struct figure *figure, const char *behind)
{
    printf("  %-12s%12s   %s object%s%s\n", label, gci_print_bytes(figure->bytes).text,
           gci_print_count(figure->objects).text, gci_print_plural(figure->objects), behind);
}

static void print_allocated(const struct profile *profile, const struct figure *figures)
{
    char rate[64] = "";
    double seconds = (double)profile->duration_ns / 1e9;
    double objects = seconds > 0 ? (double)figures[TOTAL_ALLOCATED].objects / seconds : 0;
    if (seconds > 0 && objects < (double)UINT64_MAX)
        snprintf(rate, sizeof rate, ", %s a second", gci_print_count((uint64_t)objects).text);
    print_figure("allocated", &figures[TOTAL_ALLOCATED], rate);
    printf("  temporary   %12s   of the objects: freed right after they came\n",
           gci_print_share((double)figures[TOTAL_TEMPORARY].objects, (double)figures[TOTAL_ALLOCATED].objects).text);
}

/* Each is known, a sample or not. Of one that is none the size that was asked for is not. */
static void print_leaked(const struct profile *profile, const struct figure *leaked)
{
    bool is_exact = profile->header.level == PROFILE_LEVEL_FULL;
    const char *behind =
        is_exact ? ", unreachable and still there" : ", unreachable and still there: all, in whole slots";
    if (leaked->objects == 0 && !profile->knows_leaks)
        printf("  %-12s%12s   nobody has looked\n", "leaked", "unknown");
    else
        print_figure("leaked", leaked, leaked->objects > 0 ? behind : "");
}

struct pauses {
    uint64_t total_ns, longest_ns;
};

static struct pauses pauses_of(const struct profile *profile)
{
    struct pauses pauses = {0, 0};
    for (size_t i = 0; i < profile->cycle_count; i++) {
        uint64_t pause_ns = profile->cycles[i].pause_ns;
        pauses.total_ns += pause_ns;
        pauses.longest_ns = pause_ns > pauses.longest_ns ? pause_ns : pauses.longest_ns;
    }
    return pauses;
}

static void print_cycles(const struct profile *profile)
{
    struct pauses pauses = pauses_of(profile);
    printf("  collections %12zu", profile->cycle_count);
    if (profile->cycle_count > 0)
        printf("   paused %s in all, %s at the longest", gci_print_time(pauses.total_ns).text,
               gci_print_time(pauses.longest_ns).text);
    putchar('\n');
}

static void print_summary(const struct profile *profile, const struct totals *totals)
{
    const struct figure *figures = totals->all.figures;
    gci_rows_command(profile);
    print_how(profile, totals);
    print_peak(profile);
    if (gci_profile_last(profile)) {
        print_figure("live at end", &figures[TOTAL_LIVE], "");
        print_allocated(profile, figures);
    } else {
        puts("  no figures: none were written");
    }
    print_leaked(profile, &figures[TOTAL_LEAKED]);
    if (figures[TOTAL_COLLECTED].objects > 0)
        print_figure("collected", &figures[TOTAL_COLLECTED], ", unreachable and given back");
    print_cycles(profile);
    if (profile->end.lost > 0)
        printf("  %s samples did not fit into the profiler's memory and are missing\n",
               gci_print_count(profile->end.lost).text);
}

void gci_report_summary(const struct profile *profile)
{
    struct totals totals;
    gci_totals_make(&totals, profile);
    print_summary(profile, &totals);
    gci_totals_forget(&totals);
}

/* ---- Lists ---- */

static void print_stack(const struct profile *profile, uint32_t stack, const struct figure *figure)
{
    printf("%10s  %s object%s by\n", gci_print_bytes(figure->bytes).text, gci_print_count(figure->objects).text,
           gci_print_plural(figure->objects));
    gci_print_stack(stdout, profile, stack, STACK_INDENT, UINT32_MAX);
}

static void print_site(const struct report *report, const struct profile *profile, const struct totals *totals,
                       uint32_t number, enum total total)
{
    gci_rows_site(profile, totals, number, total);
    if (report->stacks == 0)
        return;
    size_t count;
    uint32_t *stacks = gci_totals_sort_stacks(totals, profile, number, total, &count);
    for (size_t i = 0; i < count && i < report->stacks; i++)
        print_stack(profile, stacks[i], &totals->stacks[stacks[i]].figures[total]);
    free(stacks);
}

static void print_list(const struct report *report, const struct profile *profile, const struct totals *totals,
                       enum total total)
{
    size_t count, shown;
    const struct figure *all = &totals->all.figures[total];
    uint32_t *sites = gci_totals_sort_sites(totals, total, &count);
    shown = count < report->rows ? count : report->rows;
    if (count > 0 || report->only == total) {
        printf("\n%s: %s in %s object%s\n", gci_total_kinds[total].title, gci_print_bytes(all->bytes).text,
               gci_print_count(all->objects).text, gci_print_plural(all->objects));
        if (count > 0)
            gci_rows_head();
    }
    for (size_t i = 0; i < shown; i++)
        print_site(report, profile, totals, sites[i], total);
    if (count > shown)
        printf("%*sand %zu more place%s\n", ROWS_PLACE_COLUMN, "", count - shown, gci_print_plural(count - shown));
    free(sites);
}

static void print_threads(const struct profile *profile, const struct totals *totals)
{
    printf("\nThreads\n%-24s %12s %12s %14s %13s\n", "name", "live", "allocated", "allocations", "temporary");
    for (size_t i = 0; i < profile->thread_count; i++) {
        const struct figure *figures = totals->threads[i].figures;
        if (figures[TOTAL_ALLOCATED].objects == 0)
            continue;
        char name[25];
        gci_print_function(name, sizeof name, profile->threads[i], 24);
        printf(
            "%-24s %12s %12s %14s %13s\n", name, gci_print_bytes(figures[TOTAL_LIVE].bytes).text,
            gci_print_bytes(figures[TOTAL_ALLOCATED].bytes).text,
            gci_print_count(figures[TOTAL_ALLOCATED].objects).text,
            gci_print_share((double)figures[TOTAL_TEMPORARY].objects, (double)figures[TOTAL_ALLOCATED].objects).text);
    }
    if (totals->threads[0].figures[TOTAL_ALLOCATED].objects > 0)
        printf("several: all that came after the first %d threads, which are not told apart\n", PROFILE_THREADS_MAX);
}

static void print_size(const struct profile_size *size)
{
    printf("%12s %14s %12s %12s %10s\n", size->slot_bytes > 0 ? gci_print_count(size->slot_bytes).text : "large",
           gci_print_count(size->live_objects).text, gci_print_bytes(size->live_bytes).text,
           gci_print_bytes(size->committed_bytes).text,
           gci_print_share((double)size->live_bytes, (double)size->committed_bytes).text);
}

static void print_sizes(const struct profile *profile)
{
    uint64_t empty = 0, empty_bytes = 0;
    if (profile->size_count == 0)
        puts("\nSizes: the profile does not have them");
    else
        printf("\nSizes at the end, of all objects in the heap\n%12s %14s %12s %12s %10s\n", "slot bytes", "objects",
               "bytes", "of blocks", "full");
    for (size_t i = 0; i < profile->size_count; i++) {
        if (profile->sizes[i].live_objects > 0) {
            print_size(&profile->sizes[i]);
            continue;
        }
        empty++;
        empty_bytes += profile->sizes[i].committed_bytes;
    }
    if (empty > 0)
        printf("%12s %s of blocks of %s other size%s\n", "and empty", gci_print_bytes(empty_bytes).text,
               gci_print_count(empty).text, gci_print_plural(empty));
}

/* ---- JSON ---- */

static void print_figure_json(const char *key, const struct figure *figure)
{
    gci_json_open(key, '{');
    gci_json_number("bytes", figure->bytes);
    gci_json_number("objects", figure->objects);
    gci_json_close('}');
}

static void print_figures_json(const struct totals_row *row)
{
    for (int i = 0; i < TOTAL_COUNT; i++)
        print_figure_json(gci_total_kinds[i].name, &row->figures[i]);
}

static void print_profile_json(const struct profile *profile)
{
    static const char *const levels[] = {"unknown", "sample", "site", "full"};
    gci_json_text("file", profile->path);
    gci_json_text("executable", profile->executable);
    gci_json_open("command", '[');
    for (size_t i = 0; profile->words[i]; i++)
        gci_json_text(NULL, profile->words[i]);
    gci_json_close(']');
    gci_json_number("process", profile->header.process);
    gci_json_number("start_ns", profile->header.start_realtime_ns);
    gci_json_number("duration_ns", profile->duration_ns);
    gci_json_text("level", levels[profile->header.level <= PROFILE_LEVEL_FULL ? profile->header.level : 0]);
    gci_json_number("rate_bytes", profile->header.rate_bytes);
    gci_json_flag("complete", profile->is_complete);
    gci_json_flag("figures", gci_profile_last(profile) != NULL); /* else those of objects are 0 for want of any */
    gci_json_flag("leaks_known", profile->knows_leaks);
    gci_json_number("lost", profile->end.lost);
    gci_json_number("peak_bytes", profile->end.peak_bytes);
    gci_json_number("peak_time_ns", profile->end.peak_time_ns);
}

static void print_cycles_json(const struct profile *profile)
{
    struct pauses pauses = pauses_of(profile);
    gci_json_open("collections", '{');
    gci_json_number("count", profile->cycle_count);
    gci_json_number("pause_total_ns", pauses.total_ns);
    gci_json_number("pause_longest_ns", pauses.longest_ns);
    gci_json_close('}');
}

static void print_site_json(const struct report *report, const struct profile *profile, const struct totals *totals,
                            uint32_t number, enum total total)
{
    size_t count;
    uint32_t *stacks = gci_totals_sort_stacks(totals, profile, number, total, &count);
    const struct site *site = &totals->sites[number];
    gci_json_open(NULL, '{');
    gci_json_number("bytes", site->row.figures[total].bytes);
    gci_json_number("objects", site->row.figures[total].objects);
    gci_rows_where_json(profile, site->frame);
    gci_json_open("stacks", '[');
    for (size_t i = 0; i < count && i < report->stacks; i++) {
        gci_json_open(NULL, '{');
        gci_json_number("bytes", totals->stacks[stacks[i]].figures[total].bytes);
        gci_json_number("objects", totals->stacks[stacks[i]].figures[total].objects);
        gci_json_stack("stack", profile, stacks[i]);
        gci_json_close('}');
    }
    gci_json_close(']');
    gci_json_close('}');
    free(stacks);
}

static void print_threads_json(const struct profile *profile, const struct totals *totals)
{
    gci_json_open("threads", '[');
    for (size_t i = 0; i < profile->thread_count; i++) {
        gci_json_open(NULL, '{');
        gci_json_text("name", profile->threads[i]);
        gci_json_number("system_id", profile->thread_system_ids[i]);
        print_figures_json(&totals->threads[i]);
        gci_json_close('}');
    }
    gci_json_close(']');
}

static void print_sizes_json(const struct profile *profile)
{
    gci_json_open("sizes", '[');
    for (size_t i = 0; i < profile->size_count; i++) {
        const struct profile_size *size = &profile->sizes[i];
        gci_json_open(NULL, '{');
        gci_json_number("slot_bytes", size->slot_bytes);
        gci_json_number("blocks", size->blocks);
        gci_json_number("objects", size->live_objects);
        gci_json_number("bytes", size->live_bytes);
        gci_json_number("committed_bytes", size->committed_bytes);
        gci_json_close('}');
    }
    gci_json_close(']');
}

static void print_json(const struct report *report, const struct profile *profile, const struct totals *totals)
{
    gci_json_open(NULL, '{');
    print_profile_json(profile);
    print_figures_json(&totals->all);
    print_cycles_json(profile);
    if (report->threads)
        print_threads_json(profile, totals);
    if (report->sizes)
        print_sizes_json(profile);
    gci_json_open("top", '{');
    for (int i = 0; i < TOTAL_COUNT; i++) {
        if (report->only != TOTAL_COUNT && report->only != (enum total)i)
            continue;
        size_t count;
        uint32_t *sites = gci_totals_sort_sites(totals, (enum total)i, &count);
        gci_json_open(gci_total_kinds[i].name, '[');
        for (size_t k = 0; k < count && k < report->rows; k++)
            print_site_json(report, profile, totals, sites[k], (enum total)i);
        gci_json_close(']');
        free(sites);
    }
    gci_json_close('}');
    gci_json_close('}');
    putchar('\n');
}

/* ---- All together ---- */

static void print_text(const struct report *report, const struct profile *profile, const struct totals *totals)
{
    if (report->only == TOTAL_COUNT)
        print_summary(profile, totals);
    for (int i = 0; i < TOTAL_COUNT; i++) {
        if (report->only == TOTAL_COUNT || report->only == (enum total)i)
            print_list(report, profile, totals, (enum total)i);
    }
    if (report->threads)
        print_threads(profile, totals);
    if (report->sizes)
        print_sizes(profile);
}

static void show(const struct report *report, const struct profile *profile)
{
    struct totals totals;
    gci_totals_make(&totals, profile);
    (report->view.json ? print_json : print_text)(report, profile, &totals);
    gci_totals_forget(&totals);
}

int gci_report_main(int argc, char **argv)
{
    struct report report = {.view = {.command = "report", .least = 1, .most = 1, .what = "a profile or a process is"},
                            .rows = ROWS_USUAL,
                            .only = TOTAL_COUNT};
    int code;
    if (!gci_view_parse(&gci_report_arguments, argc, argv, &report.view, &report, &code))
        return code;
    code = gci_save_check(&report.save, &report.view);
    if (code != 0)
        return code;
    struct profile *profile = gci_view_read(&report.view, report.view.words[0]);
    if (!profile)
        return EXIT_OWN_FAILURE;
    if (report.save.html)
        code = gci_save_page(&report.save, &report.view, profile);
    else
        show(&report, profile);
    gci_profile_forget(profile);
    return gci_view_finish(code);
}
