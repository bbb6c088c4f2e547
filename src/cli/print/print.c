/* SPDX-License-Identifier: MIT */
#include "cli/print/print.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define BAR_MOST 12
#define NAME_BYTES 512

/* ---- Figures ---- */

static struct cell sized(double value, const char *sign)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct cell cell;
    unsigned unit = 0;
    while (value >= 1023.95 && unit + 1 < sizeof units / sizeof units[0]) { /* 1024.0 is never shown */
        value /= 1024;
        unit++;
    }
    snprintf(cell.text, sizeof cell.text, unit == 0 ? "%s%.0f %s" : "%s%.1f %s", sign, value, units[unit]);
    return cell;
}

struct cell gci_print_bytes(uint64_t bytes)
{
    return sized((double)bytes, "");
}

struct cell gci_print_change(double bytes)
{
    return sized(bytes < 0 ? -bytes : bytes, bytes < 0 ? "-" : "+");
}

uint64_t gci_print_whole(double value)
{
    return value < (double)UINT64_MAX ? (uint64_t)value : UINT64_MAX;
}

struct cell gci_print_count(uint64_t count)
{
    char digits[24];
    struct cell cell;
    size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count), at = 0;
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            cell.text[at++] = ',';
        cell.text[at++] = digits[i];
    }
    cell.text[at] = '\0';
    return cell;
}

struct cell gci_print_time(uint64_t nanoseconds)
{
    struct cell cell;
    double seconds = (double)nanoseconds / 1e9;
    uint64_t whole = (nanoseconds + 500000000) / 1000000000;
    if (nanoseconds == 0)
        snprintf(cell.text, sizeof cell.text, "0 s");
    else if (seconds < 1e-3)
        snprintf(cell.text, sizeof cell.text, "%.1f us", seconds * 1e6);
    else if (seconds < 1)
        snprintf(cell.text, sizeof cell.text, "%.2f ms", seconds * 1e3);
    else if (seconds < 120)
        snprintf(cell.text, sizeof cell.text, "%.1f s", seconds);
    else if (whole < 7200)
        snprintf(cell.text, sizeof cell.text, "%" PRIu64 " min %" PRIu64 " s", whole / 60, whole % 60);
    else
        snprintf(cell.text, sizeof cell.text, "%" PRIu64 " h %" PRIu64 " min", whole / 3600, whole / 60 % 60);
    return cell;
}

struct cell gci_print_share(double part, double whole)
{
    struct cell cell;
    snprintf(cell.text, sizeof cell.text, "%.1f %%", whole > 0 ? part * 100 / whole : 0.0);
    return cell;
}

const char *gci_print_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* ---- Bars ---- */

bool gci_print_has_blocks(void)
{
    static int answer = -1;
    if (answer < 0)
        answer = setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    return answer == 1;
}

struct cell gci_print_bar(double part, double whole, unsigned columns)
{
    static const char *const eighths[] = {"", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b", "\u258a", "\u2589"};
    struct cell cell = {""};
    bool blocks = gci_print_has_blocks();
    size_t used = 0;
    columns = columns < BAR_MOST ? columns : BAR_MOST;
    double share = whole > 0 && part > 0 ? part / whole : 0;
    unsigned filled = (unsigned)((share > 1 ? 1 : share) * columns * 8 + 0.5);
    for (unsigned i = 0; i < columns; i++) {
        unsigned here = filled > i * 8 ? filled - i * 8 : 0; /* eighths of this column */
        const char *shown = here >= 8 ? (blocks ? "\u2588" : "#") : (blocks ? eighths[here] : (here >= 4 ? "#" : " "));
        if (shown[0] == '\0')
            shown = " ";
        used += (size_t)snprintf(cell.text + used, sizeof cell.text - used, "%s", shown);
    }
    return cell;
}

/* ---- Names ---- */

/* Bytes that begin a character; those that continue one take no column. */
static bool begins_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

unsigned gci_print_width(const char *text)
{
    unsigned width = 0;
    for (; *text; text++)
        width += begins_character(*text) ? 1 : 0;
    return width;
}

/* Cuts to so many columns, of which dots take the last two where something is lost. */
static void cut(char *text, unsigned columns)
{
    unsigned width = 0;
    char *end = text;
    if (gci_print_width(text) <= columns)
        return;
    for (char *at = text; *at; at++) {
        width += begins_character(*at) ? 1 : 0;
        if (width + 2 > columns && begins_character(*at))
            break;
        end = at + 1;
    }
    memcpy(end, "..", columns >= 2 ? 3 : 0);
    if (columns < 2)
        *end = '\0';
}

static void make_safe(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

/* The parentheses at the end and what is between them, with "const" behind. */
static void drop_parameters(char *name)
{
    char *end = strrchr(name, ')');
    int depth = 0;
    for (char *at = end; at && at > name; at--) {
        depth += *at == ')' ? 1 : (*at == '(' ? -1 : 0);
        if (depth == 0 && strncmp(at, "(anonymous", strlen("(anonymous")) != 0) {
            *at = '\0';
            return;
        }
    }
}

/* What is between angle brackets, except those of operators. */
static void drop_arguments(char *name)
{
    char *to = name;
    int depth = 0;
    for (const char *at = name; *at; at++) {
        bool opens = *at == '<' && at > name && strchr("<-= r", at[-1]) == NULL;
        bool closes = *at == '>' && depth > 0 && at[-1] != '-';
        if (closes)
            depth--;
        if (depth == 0)
            *to++ = *at;
        if (opens)
            depth++;
    }
    *to = '\0';
}

void gci_print_function(char *text, size_t bytes, const char *function, unsigned columns)
{
    snprintf(text, bytes, "%s", function);
    make_safe(text);
    if (gci_print_width(text) > columns)
        drop_parameters(text);
    if (gci_print_width(text) > columns)
        drop_arguments(text);
    cut(text, columns);
}

void gci_print_place(char *text, size_t bytes, const char *file, uint32_t line, unsigned columns)
{
    const char *slash = file ? strrchr(file, '/') : NULL;
    text[0] = '\0';
    if (!file)
        return;
    if (line > 0)
        snprintf(text, bytes, "%.200s:%" PRIu32, slash ? slash + 1 : file, line);
    else
        snprintf(text, bytes, "%.200s", slash ? slash + 1 : file);
    make_safe(text);
    cut(text, columns);
}

void gci_print_frame(FILE *stream, const struct profile_frame *frame, unsigned columns)
{
    char function[NAME_BYTES], place[NAME_BYTES];
    gci_print_place(place, sizeof place, frame->file, frame->line, columns / 2);
    unsigned taken = gci_print_width(place) + (place[0] ? 2 : 0);
    gci_print_function(function, sizeof function, frame->function, columns - taken);
    fprintf(stream, "%s%s%s", function, place[0] ? "  " : "", place);
}

static void print_stack_frame(FILE *stream, const struct profile_frame *frame, unsigned indent)
{
    static const char inlined[] = " [inlined]";
    unsigned taken = indent + (frame->is_inlined ? (unsigned)sizeof inlined - 1 : 0);
    fprintf(stream, "%*s", (int)indent, "");
    gci_print_frame(stream, frame, PRINT_COLUMNS - taken);
    fprintf(stream, "%s\n", frame->is_inlined ? inlined : "");
}

void gci_print_stack(FILE *stream, const struct profile *profile, uint32_t stack, unsigned indent, uint32_t most)
{
    const struct profile_stack_frames *frames = &profile->stacks[stack];
    uint32_t shown = 0, more = 0, at = gci_profile_next_frame(profile, stack, 0);
    for (; at < frames->count; at = gci_profile_next_frame(profile, stack, at + 1)) {
        if (shown < most)
            print_stack_frame(stream, &profile->frames[frames->frames[at]], indent);
        *(shown < most ? &shown : &more) += 1;
    }
    if (frames->count == 0)
        fprintf(stream, "%*s(the stack is not known)\n", (int)indent, "");
    else if (more > 0)
        fprintf(stream, "%*sand %" PRIu32 " frames more\n", (int)indent, "", more);
}

void gci_print_text(FILE *stream, const char *text, unsigned columns)
{
    char *copy = strdup(text);
    if (!copy)
        return;
    make_safe(copy);
    if (columns > 0)
        cut(copy, columns);
    fputs(copy, stream);
    free(copy);
}
