/* SPDX-License-Identifier: MIT */
/* On a terminal the screen is drawn anew each second, and keys are read without waiting for a newline; whatever ends that, the
 * terminal is left as it was. Elsewhere the view is printed once.
 */
#include "cli/show/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/base/arguments.h"
#include "cli/base/message.h"
#include "cli/print/json.h"
#include "cli/print/print.h"
#include "cli/print/rows.h"
#include "cli/print/view.h"
#include "cli/profile/totals.h"

#define REDRAW_MS 1000
#define ROWS_USUAL 15
#define HEAD_LINES 8 /* above the rows, and the last line below them */
#define CURVE_COLUMNS 60
#define KEY_INTERRUPT 3 /* what control-C sends while the terminal makes no signal of it */

#define SCREEN_OTHER "\x1b[?1049h\x1b[?25l" /* a screen of our own, without cursor */
#define SCREEN_BACK "\x1b[?25h\x1b[?1049l"
#define SCREEN_CLEAR "\x1b[H\x1b[J"

struct top {
    struct view view;
    enum total total;
    uint64_t rows; /* 0: as many as there is room for */
};

/* ---- Options ---- */

static const struct arguments_option options[] = {
    {.name = "sort",
     .value = "KIND",
     .help = "What the rows are sorted by: " TOTAL_NAMES,
     .choices = TOTAL_NAMES,
     ARGUMENTS_SET_CHOICE(struct top, total)},
    {.name = "top",
     .value = "NUMBER",
     .help = "So many rows, in place of what the screen has room for",
     .least = 1,
     ARGUMENTS_SET_NUMBER(struct top, rows)},
    {0},
};

static const struct arguments_part parts[] = {{&gci_view_arguments, offsetof(struct top, view)}, {0}};

const struct arguments gci_top_arguments = {
    .options = options,
    .words = "FILE|PID",
    .about = "Shows a profile that is being written, each second as it is then."
             "\vKeys: q quits, s sorts by something else. Where the output is no terminal, the view is printed once.",
    .parts = parts,
};

/* ---- The view ---- */

/* Live bytes over time, the highest of each column. */
static void print_curve(const struct profile *profile)
{
    static const char *const blocks[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
    uint64_t columns[CURVE_COLUMNS] = {0}, most = 0;
    for (size_t i = 0; i < profile->usage_count; i++) {
        double share = profile->duration_ns > 0 ? (double)profile->usage[i].time_ns / (double)profile->duration_ns : 0;
        size_t at = (size_t)(share * (CURVE_COLUMNS - 1));
        columns[at] = profile->usage[i].live_bytes > columns[at] ? profile->usage[i].live_bytes : columns[at];
        most = columns[at] > most ? columns[at] : most;
    }
    if (most == 0)
        return;
    fputs("  ", stdout);
    for (size_t i = 0; i < CURVE_COLUMNS; i++) {
        if (i > 0 && columns[i] == 0)
            columns[i] = columns[i - 1];
        size_t level = (size_t)((double)columns[i] * 8 / (double)most + 0.5);
        fputs(gci_print_has_blocks() ? blocks[level] : (level > 4 ? "#" : (level > 0 ? "." : " ")), stdout);
    }
    printf("  %s\n", gci_print_bytes(most).text);
}

static void print_usage(const struct profile *profile)
{
    const struct profile_usage *now = &profile->usage[profile->usage_count - 1];
    const struct profile_usage *before = profile->usage_count > 1 ? now - 1 : NULL;
    printf("  live %s", gci_print_bytes(now->live_bytes).text);
    printf("   heap %s", gci_print_bytes(now->heap_bytes).text);
    if (now->resident_bytes > 0)
        printf("   resident %s", gci_print_bytes(now->resident_bytes).text);
    printf("\n  allocated %s in %s objects", gci_print_bytes(now->allocated_bytes).text,
           gci_print_count(now->allocated_objects).text);
    if (before && now->time_ns > before->time_ns) {
        double seconds = (double)(now->time_ns - before->time_ns) / 1e9;
        double objects = (double)(now->allocated_objects - before->allocated_objects);
        printf(", now %s a second", gci_print_count(gci_print_whole(objects > 0 ? objects / seconds : 0)).text);
    }
    putchar('\n');
}

static void print_cycles(const struct profile *profile)
{
    printf("  collections %zu", profile->cycle_count);
    if (profile->cycle_count > 0) {
        const struct profile_cycle *last = &profile->cycles[profile->cycle_count - 1];
        printf(", the last paused %s and freed %s", gci_print_time(last->pause_ns).text,
               gci_print_bytes(last->freed_bytes).text);
    }
    putchar('\n');
}

/* What a process was asked for is complete, and not its end. */
static bool has_ended(const struct top *top, const struct profile *profile)
{
    const char *word = top->view.words[0];
    return profile->is_complete && (profile->path != word || !gci_view_is_running(word));
}

static void print_view(const struct top *top, const struct profile *profile, uint64_t rows)
{
    struct totals totals;
    size_t count;
    gci_totals_make(&totals, profile);
    uint32_t *sites = gci_totals_sort_sites(&totals, top->total, &count);
    gci_rows_command(profile);
    printf("%s %s\n", has_ended(top, profile) ? "ended after" : "running for",
           gci_print_time(profile->duration_ns).text);
    if (profile->usage_count > 0)
        print_usage(profile);
    print_cycles(profile);
    print_curve(profile);
    printf("%s\n", gci_total_kinds[top->total].title);
    gci_rows_head();
    for (size_t i = 0; i < count && i < rows; i++)
        gci_rows_site(profile, &totals, sites[i], top->total);
    free(sites);
    gci_totals_forget(&totals);
}

static void print_json(const struct top *top, const struct profile *profile)
{
    struct totals totals;
    size_t count;
    static const struct profile_usage nothing;
    const struct profile_usage *now = profile->usage_count > 0 ? &profile->usage[profile->usage_count - 1] : &nothing;
    gci_totals_make(&totals, profile);
    uint32_t *sites = gci_totals_sort_sites(&totals, top->total, &count);
    gci_json_open(NULL, '{');
    gci_json_flag("running", !has_ended(top, profile));
    gci_json_number("duration_ns", profile->duration_ns);
    gci_json_number("live_bytes", now->live_bytes);
    gci_json_number("heap_bytes", now->heap_bytes);
    gci_json_number("resident_bytes", now->resident_bytes);
    gci_json_number("allocated_bytes", now->allocated_bytes);
    gci_json_number("allocated_objects", now->allocated_objects);
    gci_json_number("collections", profile->cycle_count);
    gci_json_open(gci_total_kinds[top->total].name, '[');
    for (size_t i = 0; i < count && i < (top->rows > 0 ? top->rows : ROWS_USUAL); i++) {
        const struct site *site = &totals.sites[sites[i]];
        gci_json_open(NULL, '{');
        gci_json_number("bytes", site->row.figures[top->total].bytes);
        gci_json_number("objects", site->row.figures[top->total].objects);
        gci_rows_where_json(profile, site->frame);
        gci_json_close('}');
    }
    gci_json_close(']');
    gci_json_close('}');
    putchar('\n');
    free(sites);
    gci_totals_forget(&totals);
}

/* ---- The terminal ---- */

static volatile sig_atomic_t is_ended;

static void on_end(int number)
{
    (void)number;
    is_ended = 1;
}

static struct termios before; /* what the terminal was */

static void give_terminal_back(void)
{
    fputs(SCREEN_BACK, stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* Keys come one by one, unseen. False: this is no terminal. */
static bool take_terminal(void)
{
    static const int endings[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
    struct sigaction end = {.sa_handler = on_end};
    if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    struct termios raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        sigaction(endings[i], &end, NULL);
    return tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0 && atexit(give_terminal_back) == 0;
}

static uint64_t room_for_rows(const struct top *top)
{
    struct winsize size;
    if (top->rows > 0)
        return top->rows;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row <= HEAD_LINES + 1)
        return ROWS_USUAL;
    return size.ws_row - HEAD_LINES - 1u;
}

/* Waits for a key or for the time to draw again. False: it is to end. */
static bool wait_for_key(struct top *top)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char key = 0;
    int ready = poll(&input, 1, REDRAW_MS);
    if (ready < 0)
        return errno == EINTR && !is_ended;
    if (ready > 0 && (input.revents & POLLIN) == 0)
        return false; /* the terminal is gone */
    if (ready > 0 && read(STDIN_FILENO, &key, 1) == 1) {
        if (key == 's')
            top->total = (enum total)((top->total + 1) % TOTAL_COUNT);
        return key != 'q' && key != KEY_INTERRUPT;
    }
    return !is_ended;
}

/* A process that writes no file is asked anew; when it ends, what it said last stays. */
static struct profile *read_on(const struct top *top, struct profile *profile)
{
    const char *word = top->view.words[0];
    if (gci_profile_read_on(profile) || profile->path != word || !gci_view_is_running(word))
        return profile;
    struct profile *next = gci_view_follow(&top->view, word);
    if (!next)
        return profile;
    gci_profile_forget(profile);
    return next;
}

static struct profile *run_screen(struct top *top, struct profile *profile)
{
    fputs(SCREEN_OTHER, stdout);
    do {
        profile = read_on(top, profile);
        fputs(SCREEN_CLEAR, stdout);
        print_view(top, profile, room_for_rows(top));
        fputs("q quits, s sorts by something else", stdout);
    } while (fflush(stdout) == 0 && wait_for_key(top));
    return profile;
}

/* ---- All together ---- */

int gci_top_main(int argc, char **argv)
{
    struct top top = {.view = {.command = "top", .least = 1, .most = 1, .what = "a profile or a process is"}};
    int code;
    if (!gci_view_parse(&gci_top_arguments, argc, argv, &top.view, &top, &code))
        return code;
    struct profile *profile = gci_view_follow(&top.view, top.view.words[0]);
    if (!profile)
        return EXIT_OWN_FAILURE;
    if (top.view.json) {
        print_json(&top, profile);
    } else if (take_terminal()) {
        profile = run_screen(&top, profile);
    } else {
        print_view(&top, profile, top.rows > 0 ? top.rows : ROWS_USUAL);
    }
    gci_profile_forget(profile);
    return gci_view_finish(0);
}
