/* SPDX-License-Identifier: MIT */
/* A line is charged with what it allocates and with what the functions that it calls allocate, so that the lines which lead to
 * much memory can be seen in every file on the way. A stack counts once for a line, however often it comes through it.
 */
#include "cli/show/annotate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/base/memory.h"
#include "cli/base/message.h"
#include "cli/print/json.h"
#include "cli/print/print.h"
#include "cli/print/view.h"
#include "cli/profile/totals.h"

#define FIGURE_COLUMNS 6
#define NUMBER_COLUMNS 5
#define CODE_COLUMN (5 * (FIGURE_COLUMNS + 1) + NUMBER_COLUMNS + 2)
#define LINES_MOST ((uint32_t)1 << 24) /* what DWARF has beyond that is damage */

struct annotate {
    struct view view;
    bool self;
};

struct lines {
    const char *file;        /* as the profile names it */
    struct totals_row *rows; /* by line, from 1 */
    uint32_t *stacks;        /* by line: the last stack that was counted there */
    size_t count, row_room, stack_room;
};

/* ---- Options ---- */

static const struct arguments_option options[] = {
    {.name = "self",
     .help = "Only what a line allocates itself, not what it calls",
     ARGUMENTS_SET_FLAG(struct annotate, self)},
    {0},
};

static const struct arguments_part parts[] = {{&gci_view_arguments, offsetof(struct annotate, view)}, {0}};

const struct arguments gci_annotate_arguments = {
    .options = options,
    .words = "FILE|PID SOURCE",
    .about = "Shows a source file with what its lines, and the functions that they call, allocate."
             "\vColumns: allocations, bytes allocated, bytes that live at the end, bytes at the peak, bytes leaked.",
    .parts = parts,
};

/* ---- Which file is meant ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* How many components two paths have in common, from the last one on. */
static unsigned common_components(const char *a, const char *b)
{
    size_t i = strlen(a), k = strlen(b);
    unsigned count = 0;
    while (i > 0 && k > 0 && a[i - 1] == b[k - 1]) {
        i--;
        k--;
        count += a[i] == '/' ? 1 : 0;
    }
    return (i == 0 || a[i - 1] == '/') && (k == 0 || b[k - 1] == '/') ? count + 1 : count;
}

/* The file of the profile that is most like the one that was named. NULL after one line: none, or several. */
static const char *find_file(const struct profile *profile, const char *source)
{
    char *absolute = realpath(source, NULL);
    const char *wanted = absolute ? absolute : source, *found = NULL, *rival = NULL;
    unsigned best = 0;
    for (size_t i = 0; i < profile->frame_count; i++) {
        const char *file = profile->frames[i].file;
        if (!file || strcmp(base_name(file), base_name(wanted)) != 0 || (found && strcmp(file, found) == 0))
            continue;
        unsigned common = common_components(file, wanted);
        if (common >= best) {
            rival = common == best ? found : NULL;
            found = file;
            best = common;
        }
    }
    free(absolute);
    if (found && rival) {
        gci_message_fail(0, source, "may be %s or %s: say more of its path", found, rival);
        return NULL;
    }
    if (!found)
        gci_message_fail(0, source, "no function of this file is in %s, or it was built without -g", profile->path);
    return found;
}

/* ---- Lines ---- */

static void charge(struct lines *lines, uint32_t line, uint32_t stack, const struct totals_row *row)
{
    while (lines->count <= line) {
        lines->rows = gci_memory_grow(lines->rows, &lines->row_room, lines->count + 1, sizeof *lines->rows);
        lines->stacks = gci_memory_grow(lines->stacks, &lines->stack_room, lines->count + 1, sizeof *lines->stacks);
        lines->rows[lines->count] = (struct totals_row){0};
        lines->stacks[lines->count++] = UINT32_MAX;
    }
    if (lines->stacks[line] == stack)
        return;
    lines->stacks[line] = stack;
    for (int i = 0; i < TOTAL_COUNT; i++) {
        lines->rows[line].figures[i].bytes += row->figures[i].bytes;
        lines->rows[line].figures[i].objects += row->figures[i].objects;
    }
}

static void charge_stack(struct lines *lines, const struct profile *profile, const struct totals *totals,
                         uint32_t stack, bool self)
{
    const struct profile_stack_frames *frames = &profile->stacks[stack];
    uint32_t i = gci_profile_next_frame(profile, stack, 0);
    for (; i < frames->count; i = gci_profile_next_frame(profile, stack, i + 1)) {
        const struct profile_frame *frame = &profile->frames[frames->frames[i]];
        if (frame->file && frame->line > 0 && frame->line < LINES_MOST && strcmp(frame->file, lines->file) == 0)
            charge(lines, frame->line, stack, &totals->stacks[stack]);
        if (self)
            return;
    }
}

static bool has_figures(const struct lines *lines, size_t line)
{
    bool has = false;
    for (int i = 0; line < lines->count && i < TOTAL_COUNT; i++)
        has = has || lines->rows[line].figures[i].objects > 0;
    return has;
}

/* ---- Text ---- */

/* In at most FIGURE_COLUMNS: "1.5M". Nothing is nothing. */
static void print_short(uint64_t value, bool is_bytes)
{
    static const char units[] = " KMGTPE";
    double shown = (double)value, step = is_bytes ? 1024 : 1000;
    unsigned unit = 0;
    for (; shown >= (unit == 0 ? 10000 : 999.5) && units[unit + 1]; unit++)
        shown /= step;
    if (value == 0)
        printf("%*s ", FIGURE_COLUMNS, "");
    else if (unit == 0)
        printf("%*" PRIu64 " ", FIGURE_COLUMNS, value);
    else
        printf("%*.*f%c ", FIGURE_COLUMNS - 1, shown < 99.95 ? 1 : 0, shown, units[unit]);
}

static void print_figures(const struct lines *lines, size_t line)
{
    static const struct totals_row nothing;
    const struct figure *figures = (line < lines->count ? &lines->rows[line] : &nothing)->figures;
    print_short(figures[TOTAL_ALLOCATED].objects, false);
    print_short(figures[TOTAL_ALLOCATED].bytes, true);
    print_short(figures[TOTAL_LIVE].bytes, true);
    print_short(figures[TOTAL_PEAK].bytes, true);
    print_short(figures[TOTAL_LEAKED].bytes + figures[TOTAL_COLLECTED].bytes, true);
}

/* Columns for the text of a line: what a terminal has left, else no end. */
static unsigned code_columns(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 0;
    return size.ws_col > CODE_COLUMN + 20 ? size.ws_col - CODE_COLUMN : 20;
}

static void expand_tabs(const char *line, char *to, size_t bytes)
{
    size_t at = 0;
    for (; *line && *line != '\n' && *line != '\r' && at + 8 < bytes; line++) {
        if (*line != '\t')
            to[at++] = *line;
        else
            do
                to[at++] = ' ';
            while (at % 8 != 0);
    }
    to[at] = '\0';
}

static void print_line(const struct lines *lines, size_t number, const char *text, unsigned columns)
{
    char code[1024];
    expand_tabs(text, code, sizeof code);
    print_figures(lines, number);
    printf("%*zu%s", NUMBER_COLUMNS, number, code[0] ? "  " : "");
    gci_print_text(stdout, code, columns);
    putchar('\n');
}

/* Lines that the source no longer has come at the end. */
static void print_text(const struct lines *lines, FILE *source)
{
    char *text = NULL;
    size_t room = 0, number = 1;
    unsigned columns = code_columns();
    gci_print_text(stdout, lines->file, PRINT_COLUMNS);
    printf("\n%*s %*s %*s %*s %*s %*s\n", FIGURE_COLUMNS, "allocs", FIGURE_COLUMNS, "bytes", FIGURE_COLUMNS, "live",
           FIGURE_COLUMNS, "peak", FIGURE_COLUMNS, "leaked", NUMBER_COLUMNS, "line");
    for (; getline(&text, &room, source) > 0; number++)
        print_line(lines, number, text, columns);
    for (; number < lines->count; number++) {
        if (has_figures(lines, number))
            print_line(lines, number, "(the file has no such line)", columns);
    }
    free(text);
}

/* ---- JSON ---- */

static void print_json(const struct lines *lines)
{
    gci_json_open(NULL, '{');
    gci_json_text("source", lines->file);
    gci_json_open("lines", '[');
    for (size_t line = 1; line < lines->count; line++) {
        const struct figure *figures = lines->rows[line].figures;
        if (!has_figures(lines, line))
            continue;
        gci_json_open(NULL, '{');
        gci_json_number("line", line);
        gci_json_number("allocations", figures[TOTAL_ALLOCATED].objects);
        gci_json_number("allocated_bytes", figures[TOTAL_ALLOCATED].bytes);
        gci_json_number("live_bytes", figures[TOTAL_LIVE].bytes);
        gci_json_number("peak_bytes", figures[TOTAL_PEAK].bytes);
        gci_json_number("leaked_bytes", figures[TOTAL_LEAKED].bytes);
        gci_json_number("collected_bytes", figures[TOTAL_COLLECTED].bytes);
        gci_json_close('}');
    }
    gci_json_close(']');
    gci_json_close('}');
    putchar('\n');
}

/* ---- All together ---- */

/* The file as the user names it, or else where the profile says it is. */
static FILE *open_source(const char *given, const char *known)
{
    FILE *file = fopen(given, "re");
    if (!file && errno == ENOENT)
        file = fopen(known, "re");
    if (!file)
        gci_message_fail(0, given, "cannot be opened: %s", strerror(errno));
    return file;
}

static int show(const struct annotate *annotate, const struct profile *profile)
{
    struct totals totals;
    struct lines lines = {.file = find_file(profile, annotate->view.words[1])};
    FILE *source = lines.file && !annotate->view.json ? open_source(annotate->view.words[1], lines.file) : NULL;
    if (!lines.file || (!source && !annotate->view.json))
        return EXIT_OWN_FAILURE;
    gci_totals_make(&totals, profile);
    for (uint32_t stack = 1; stack < profile->stack_count; stack++)
        charge_stack(&lines, profile, &totals, stack, annotate->self);
    if (annotate->view.json)
        print_json(&lines);
    else
        print_text(&lines, source);
    if (source)
        fclose(source);
    free(lines.rows);
    free(lines.stacks);
    gci_totals_forget(&totals);
    return gci_view_finish(0);
}

int gci_annotate_main(int argc, char **argv)
{
    struct annotate annotate = {
        .view = {
            .command = "annotate", .least = 2, .most = 2, .what = "a profile or a process, and a source file, are"}};
    int code;
    if (!gci_view_parse(&gci_annotate_arguments, argc, argv, &annotate.view, &annotate, &code))
        return code;
    struct profile *profile = gci_view_read(&annotate.view, annotate.view.words[0]);
    if (!profile)
        return EXIT_OWN_FAILURE;
    code = show(&annotate, profile);
    gci_profile_forget(profile);
    return code;
}
