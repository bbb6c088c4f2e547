/* SPDX-License-Identifier: MIT */
#include "cli/show/plot.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/arguments.h"
#include "cli/base/memory.h"
#include "cli/base/message.h"
#include "cli/output/file.h"
#include "cli/print/json.h"
#include "cli/print/print.h"
#include "cli/print/rows.h"
#include "cli/print/view.h"

#define LABEL_COLUMNS 10
#define COLUMNS (PRINT_COLUMNS - LABEL_COLUMNS - 3)
#define ROWS 16
#define EIGHTHS 8

/* Of the picture, in its own units. */
#define PICTURE_WIDTH 960
#define PICTURE_HEIGHT 420
#define PICTURE_LEFT 90
#define PICTURE_RIGHT 50
#define PICTURE_TOP 50
#define PICTURE_BOTTOM 60
#define GRID_LINES 4

#define SERIES_NAMES "live|heap|resident" /* in the order of the series */

static const struct series {
    const char *title;
    const char *colour;
    size_t offset; /* in struct profile_usage */
} series[] = {
    {"live objects", "#2b6cb0", offsetof(struct profile_usage, live_bytes)},
    {"heap", "#dd6b20", offsetof(struct profile_usage, heap_bytes)},
    {"resident memory of the process", "#718096", offsetof(struct profile_usage, resident_bytes)},
};

#define SERIES_COUNT (sizeof series / sizeof series[0])

struct plot {
    struct view view;
    unsigned shown;  /* place of the series */
    const char *svg; /* NULL: none */
    bool overwrite;  /* a file that exists */
};

/* ---- Options ---- */

static const struct arguments_option options[] = {
    {.name = "of",
     .value = "WHAT",
     .help = "What is plotted: " SERIES_NAMES,
     .choices = SERIES_NAMES,
     ARGUMENTS_SET_CHOICE(struct plot, shown)},
    {.name = "svg",
     .value = "FILE",
     .help = "Write a picture of all three, with the collections, instead; -: to standard output",
     ARGUMENTS_SET_TEXT(struct plot, svg)},
    {.name = "force",
     .letter = 'f',
     .help = "With --svg: replace the file if it exists",
     ARGUMENTS_SET_FLAG(struct plot, overwrite)},
    {0},
};

static const struct arguments_part parts[] = {{&gci_view_arguments, offsetof(struct plot, view)}, {0}};

const struct arguments gci_plot_arguments = {
    .options = options,
    .words = "FILE|PID",
    .about = "Plots memory over time.",
    .parts = parts,
};

/* ---- Figures over time ---- */

static uint64_t value_of(const struct series *what, const struct profile_usage *usage)
{
    uint64_t value;
    memcpy(&value, (const char *)usage + what->offset, sizeof value);
    return value;
}

static uint64_t highest(const struct profile *profile, const struct series *what)
{
    uint64_t most = 0;
    for (size_t i = 0; i < profile->usage_count; i++) {
        uint64_t value = value_of(what, &profile->usage[i]);
        most = value > most ? value : most;
    }
    return most;
}

static size_t column_of(const struct profile *profile, uint64_t time_ns)
{
    double share = profile->duration_ns > 0 ? (double)time_ns / (double)profile->duration_ns : 0;
    size_t at = (size_t)(share * COLUMNS);
    return at < COLUMNS ? at : COLUMNS - 1;
}

/* The highest in each of so many equal parts of the time; where nothing was measured, what was there before. */
static void gather(uint64_t columns[COLUMNS], const struct profile *profile, const struct series *what)
{
    bool measured[COLUMNS] = {false};
    memset(columns, 0, COLUMNS * sizeof *columns);
    for (size_t i = 0; i < profile->usage_count; i++) {
        uint64_t value = value_of(what, &profile->usage[i]);
        size_t at = column_of(profile, profile->usage[i].time_ns);
        columns[at] = value > columns[at] ? value : columns[at];
        measured[at] = true;
    }
    for (size_t i = 1; i < COLUMNS; i++)
        columns[i] = measured[i] ? columns[i] : columns[i - 1];
}

/* ---- Text ---- */

static void print_cell(uint64_t value, double top, double bottom)
{
    static const char *const blocks[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
    double share = top > bottom ? ((double)value - bottom) / (top - bottom) : 0;
    int level = (int)((share < 0 ? 0 : (share > 1 ? 1 : share)) * EIGHTHS + 0.5);
    fputs(gci_print_has_blocks() ? blocks[level] : (level >= EIGHTHS / 2 ? "#" : " "), stdout);
}

/* A mark below each column in which there was a collection. */
static void print_collections(const struct profile *profile)
{
    char marks[COLUMNS + 1];
    size_t length = 0;
    memset(marks, ' ', COLUMNS);
    for (size_t i = 0; i < profile->cycle_count; i++) {
        size_t at = column_of(profile, profile->cycles[i].time_ns);
        marks[at] = '^';
        length = at + 1 > length ? at + 1 : length;
    }
    if (length > 0)
        printf("%*s  %.*s\n", LABEL_COLUMNS, "collected", (int)length, marks);
}

static void print_text(const struct plot *plot, const struct profile *profile)
{
    const struct series *shown = &series[plot->shown];
    uint64_t columns[COLUMNS], most = highest(profile, shown);
    bool blocks = gci_print_has_blocks();
    gather(columns, profile, shown);
    gci_rows_command(profile);
    printf("%s, at most %s\n\n", shown->title, gci_print_bytes(most).text);
    for (unsigned row = 0; row < ROWS; row++) {
        double top = (double)most * (ROWS - row) / ROWS, bottom = (double)most * (ROWS - row - 1) / ROWS;
        bool is_labelled = row % (ROWS / GRID_LINES) == 0;
        printf("%*s %s", LABEL_COLUMNS, is_labelled ? gci_print_bytes(gci_print_whole(top)).text : "",
               blocks ? "\u2502" : "|");
        size_t end = COLUMNS;
        while (end > 0 && (double)columns[end - 1] <= bottom)
            end--;
        for (size_t i = 0; i < end; i++)
            print_cell(columns[i], top, bottom);
        putchar('\n');
    }
    printf("%*s %s", LABEL_COLUMNS, "0 B", blocks ? "\u2514" : "+");
    for (size_t i = 0; i < COLUMNS; i++)
        fputs(blocks ? "\u2500" : "-", stdout);
    printf("\n%*s  0%*s\n", LABEL_COLUMNS, "", COLUMNS - 1, gci_print_time(profile->duration_ns).text);
    print_collections(profile);
}

/* ---- The picture ---- */

static double picture_x(const struct profile *profile, uint64_t time_ns)
{
    double share = profile->duration_ns > 0 ? (double)time_ns / (double)profile->duration_ns : 0;
    return PICTURE_LEFT + share * (PICTURE_WIDTH - PICTURE_LEFT - PICTURE_RIGHT);
}

static double picture_y(uint64_t value, uint64_t most)
{
    double share = most > 0 ? (double)value / (double)most : 0;
    return PICTURE_HEIGHT - PICTURE_BOTTOM - share * (PICTURE_HEIGHT - PICTURE_TOP - PICTURE_BOTTOM);
}

static void draw_text(FILE *file, const char *text)
{
    for (; *text; text++) {
        if (*text == '<' || *text == '&' || *text == '>')
            fprintf(file, "&#%d;", *text);
        else
            fputc((unsigned char)*text < ' ' || (unsigned char)*text > '~' ? '?' : *text, file);
    }
}

static void draw_grid(FILE *file, const struct profile *profile, uint64_t most)
{
    for (unsigned i = 0; i <= GRID_LINES; i++) {
        uint64_t value = most / GRID_LINES * i, time_ns = profile->duration_ns / GRID_LINES * i;
        double y = picture_y(value, most);
        fprintf(file, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#e2e8f0\"/>\n", PICTURE_LEFT, y,
                PICTURE_WIDTH - PICTURE_RIGHT, y);
        fprintf(file, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", PICTURE_LEFT - 8, y + 4,
                gci_print_bytes(value).text);
        fprintf(file, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", picture_x(profile, time_ns),
                PICTURE_HEIGHT - PICTURE_BOTTOM + 20, gci_print_time(time_ns).text);
    }
}

static void draw_series(FILE *file, const struct profile *profile, size_t number, uint64_t most)
{
    const struct series *what = &series[number];
    fprintf(file, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", what->colour);
    for (size_t i = 0; i < profile->usage_count; i++)
        fprintf(file, "%.1f,%.1f ", picture_x(profile, profile->usage[i].time_ns),
                picture_y(value_of(what, &profile->usage[i]), most));
    fprintf(file, "\"/>\n<text x=\"%zu\" y=\"%d\" fill=\"%s\">%s</text>\n", PICTURE_LEFT + number * 160,
            PICTURE_HEIGHT - 12, what->colour, what->title);
}

static void draw(FILE *file, const struct profile *profile)
{
    uint64_t most = 0;
    for (size_t i = 0; i < SERIES_COUNT; i++) {
        uint64_t here = highest(profile, &series[i]);
        most = here > most ? here : most;
    }
    fprintf(
        file,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n<text x=\"%d\" y=\"24\" font-size=\"15\">",
        PICTURE_WIDTH, PICTURE_HEIGHT, PICTURE_LEFT);
    for (size_t i = 0; profile->words[i] && i < 8; i++) {
        draw_text(file, i > 0 ? " " : "");
        draw_text(file, profile->words[i]);
    }
    fputs("</text>\n", file);
    draw_grid(file, profile, most);
    for (size_t i = 0; i < profile->cycle_count; i++)
        fprintf(file, "<line class=\"collection\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#e53e3e\"/>\n",
                picture_x(profile, profile->cycles[i].time_ns), PICTURE_HEIGHT - PICTURE_BOTTOM,
                picture_x(profile, profile->cycles[i].time_ns), PICTURE_HEIGHT - PICTURE_BOTTOM + 6);
    for (size_t i = 0; i < SERIES_COUNT; i++)
        draw_series(file, profile, i, most);
    fprintf(file, "<text x=\"%zu\" y=\"%d\" fill=\"#e53e3e\">%zu collections</text>\n</svg>\n",
            PICTURE_LEFT + SERIES_COUNT * 160 + 60, PICTURE_HEIGHT - 12, profile->cycle_count);
}

static int write_picture(const struct plot *plot, const struct profile *profile)
{
    struct output_file file;
    int code = gci_file_open(&file, plot->svg, plot->overwrite, false);
    if (code != 0)
        return code;
    draw(file.stream, profile);
    return gci_file_close(&file);
}

/* ---- JSON ---- */

static void print_json(const struct profile *profile)
{
    gci_json_open(NULL, '{');
    gci_json_number("duration_ns", profile->duration_ns);
    gci_json_open("usage", '[');
    for (size_t i = 0; i < profile->usage_count; i++) {
        const struct profile_usage *usage = &profile->usage[i];
        gci_json_open(NULL, '{');
        gci_json_number("time_ns", usage->time_ns);
        gci_json_number("live_bytes", usage->live_bytes);
        gci_json_number("heap_bytes", usage->heap_bytes);
        gci_json_number("resident_bytes", usage->resident_bytes);
        gci_json_number("allocated_bytes", usage->allocated_bytes);
        gci_json_number("allocated_objects", usage->allocated_objects);
        gci_json_close('}');
    }
    gci_json_close(']');
    gci_json_open("collections", '[');
    for (size_t i = 0; i < profile->cycle_count; i++) {
        gci_json_open(NULL, '{');
        gci_json_number("time_ns", profile->cycles[i].time_ns);
        gci_json_number("pause_ns", profile->cycles[i].pause_ns);
        gci_json_number("freed_bytes", profile->cycles[i].freed_bytes);
        gci_json_close('}');
    }
    gci_json_close(']');
    gci_json_close('}');
    putchar('\n');
}

/* ---- All together ---- */

int gci_plot_main(int argc, char **argv)
{
    struct plot plot = {
        .view = {.command = "plot", .least = 1, .most = 1, .what = "a profile or a process is", .follows = true}};
    int code = 0;
    if (!gci_view_parse(&gci_plot_arguments, argc, argv, &plot.view, &plot, &code))
        return code;
    if (plot.overwrite && !plot.svg)
        return gci_message_fail(EXIT_OWN_FAILURE, "--force", "only goes with --svg");
    plot.view.no_symbols = true; /* none are shown */
    struct profile *profile = gci_view_read(&plot.view, plot.view.words[0]);
    if (!profile)
        return EXIT_OWN_FAILURE;
    if (profile->usage_count == 0)
        code = gci_message_fail(EXIT_OWN_FAILURE, profile->path, "has no figures over time");
    else if (plot.svg)
        code = write_picture(&plot, profile);
    else if (plot.view.json)
        print_json(profile);
    else
        print_text(&plot, profile);
    code = code == 0 ? gci_view_finish(0) : code;
    gci_profile_forget(profile);
    return code;
}
