/* SPDX-License-Identifier: MIT */
#include "cli/start/table.h"

#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/print/print.h"

#define NAME_SHOWN 27 /* characters of a process's name that leave its row within 80 columns */

static void print_row(FILE *stream, const char *label, struct cell cell, const char *note)
{
    fprintf(stream, "  %-16s %14s%s%s\n", label, cell.text, note[0] ? "   " : "", note);
}

static void print_bytes_and_objects(FILE *stream, const char *label, uint64_t bytes, uint64_t objects)
{
    char note[CELL_BYTES + 16];
    snprintf(note, sizeof note, "%s object%s", gci_print_count(objects).text, gci_print_plural(objects));
    print_row(stream, label, gci_print_bytes(bytes), note);
}

/* ---- How it ended ---- */

static void print_ending(FILE *stream, int wait_status)
{
    if (WIFSIGNALED(wait_status))
        fprintf(stream, "killed by signal %d (%s)", WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
    else
        fprintf(stream, "exit status %d", WEXITSTATUS(wait_status));
}

static void print_no_figures(FILE *stream, const struct outcome *outcome)
{
    fputs("gcalloc: ", stream);
    gci_print_text(stream, outcome->program, 0);
    fputs(": no figures: ", stream);
    print_ending(stream, outcome->wait_status);
    if (!WIFSIGNALED(outcome->wait_status))
        fputs("; it called _exit, or became a static or privileged program", stream);
    fputc('\n', stream);
}

static void print_damaged(FILE *stream, uint64_t damaged)
{
    if (damaged > 0)
        fprintf(stream, "gcalloc: %" PRIu64 " record%s left out: torn or not written by gcalloc\n", damaged,
                gci_print_plural(damaged));
}

/* ---- The two forms ---- */

static void print_rows(FILE *stream, const struct record_totals *totals)
{
    const struct record *sum = &totals->merged;
    char note[128];
    print_row(stream, "processes", gci_print_count(totals->processes), "");
    snprintf(note, sizeof note, "%" PRIu64 " given up", sum->given_up);
    print_row(stream, "collections", gci_print_count(sum->cycles), note);
    snprintf(note, sizeof note, "longest %s", gci_print_time(sum->pause_longest_ns).text);
    print_row(stream, "pauses", gci_print_time(sum->pause_total_ns), note);
    snprintf(note, sizeof note, "%.*s (pid %" PRIu64 ")", NAME_SHOWN, sum->name, sum->pid);
    print_row(stream, "peak heap", gci_print_bytes(sum->heap_peak_bytes), note);
    print_bytes_and_objects(stream, "reclaimed", sum->reclaimed_bytes, sum->reclaimed_objects);
    print_bytes_and_objects(stream, "leaked at exit", sum->leaked_bytes, sum->leaked_objects);
    print_row(stream, "released", gci_print_bytes(sum->released_bytes), "given back to the system");
}

void gci_table_print(FILE *stream, const struct record_totals *totals, const struct outcome *outcome)
{
    print_damaged(stream, totals->damaged);
    if (totals->processes == 0) {
        print_no_figures(stream, outcome);
        return;
    }
    fputs("gcalloc: ", stream);
    gci_print_text(stream, outcome->program, 0);
    fputs(": ", stream);
    print_ending(stream, outcome->wait_status);
    fputc('\n', stream);
    print_rows(stream, totals);
}

void gci_table_print_json(FILE *stream, const struct record_totals *totals, const struct outcome *outcome)
{
    const struct record *sum = &totals->merged;
    int status = outcome->wait_status;
    fprintf(stream, "{\"processes\":%" PRIu64 ",\"damaged_records\":%" PRIu64, totals->processes, totals->damaged);
    if (WIFSIGNALED(status))
        fprintf(stream, ",\"exit_status\":null,\"signal\":%d", WTERMSIG(status));
    else
        fprintf(stream, ",\"exit_status\":%d,\"signal\":null", WEXITSTATUS(status));
    if (totals->processes > 0)
        fprintf(stream, ",\"heap_peak_process\":{\"name\":\"%s\",\"pid\":%" PRIu64 "}", sum->name, sum->pid);
    else
        fputs(",\"heap_peak_process\":null", stream);
#define RECORD_SUM(figure) fprintf(stream, ",\"" #figure "\":%" PRIu64, sum->figure);
#define RECORD_LARGEST(figure) RECORD_SUM(figure)
    RECORD_FIGURES
#undef RECORD_SUM
#undef RECORD_LARGEST
    fputs("}\n", stream);
}
