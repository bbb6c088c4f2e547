/* SPDX-License-Identifier: MIT */
/* Stacks of two runs are the same if their functions are, by name and module, or by offset where there is no name. Addresses do
 * not count, for they change from run to run, nor lines, which change from version to version.
 */
#include "cli/show/diff.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/arguments.h"
#include "cli/base/hash.h"
#include "cli/base/memory.h"
#include "cli/base/message.h"
#include "cli/print/json.h"
#include "cli/print/print.h"
#include "cli/print/view.h"
#include "cli/profile/totals.h"

#define ROWS_USUAL 20
#define CALLERS_INDENT 24
#define CALLER_COLUMNS 40                      /* of one caller, at most */
#define PLACE_COLUMN (12 + 1 + 13 + 2 + 6 + 2) /* behind bytes, objects and what became of them */

struct diff {
    struct view view;
    enum total total;
    bool stacks;
    bool per_second;
    uint64_t rows;
};

/* One side of the comparison. */
struct side {
    struct profile *profile;
    struct totals totals;
    double scale; /* what figures are multiplied by */
};

#define NOWHERE UINT32_MAX

/* A stack, in either profile or in both: index 0 is before, 1 after. */
struct change {
    uint64_t hash;
    uint32_t stacks[2]; /* or NOWHERE */
    double bytes[2], objects[2];
};

struct changes {
    struct change *changes;
    size_t count, room;
    uint32_t *table; /* by hash: numbers of changes, from 1 */
    size_t table_room;
};

/* ---- Options ---- */

static const struct arguments_option options[] = {
    {.name = "sort",
     .value = "KIND",
     .help = "What is compared: " TOTAL_NAMES,
     .choices = TOTAL_NAMES,
     ARGUMENTS_SET_CHOICE(struct diff, total)},
    {.name = "stacks", .help = "Show whole stacks", ARGUMENTS_SET_FLAG(struct diff, stacks)},
    {.name = "per-second", .help = "Divide each by how long it ran", ARGUMENTS_SET_FLAG(struct diff, per_second)},
    {.name = "top",
     .value = "NUMBER",
     .help = "So many rows, in place of 20; JSON has all",
     .least = 1,
     ARGUMENTS_SET_NUMBER(struct diff, rows)},
    {0},
};

static const struct arguments_part parts[] = {{&gci_view_arguments, offsetof(struct diff, view)}, {0}};

const struct arguments gci_diff_arguments = {
    .options = options,
    .words = "BEFORE AFTER",
    .about = "Shows what changed from one profile to another, by call stack."
             "\vStacks are the same if the names of their functions are, so the two may be of different runs and "
             "different versions of a program.",
    .parts = parts,
};

/* ---- Which stacks are the same ---- */

static const char *module_name(const struct profile *profile, const struct profile_frame *frame)
{
    return frame->module == PROFILE_NO_MODULE ? "" : profile->modules[frame->module].name;
}

static uint64_t hash_stack(const struct profile *profile, uint32_t stack)
{
    const struct profile_stack_frames *frames = &profile->stacks[stack];
    uint64_t hash = 0;
    for (uint32_t i = 0; i < frames->count; i++) {
        const struct profile_frame *frame = &profile->frames[frames->frames[i]];
        hash = gci_hash_text(gci_hash_text(hash, frame->function), module_name(profile, frame));
    }
    return hash;
}

static bool is_same_stack(const struct profile *a, uint32_t stack_a, const struct profile *b, uint32_t stack_b)
{
    const struct profile_stack_frames *one = &a->stacks[stack_a], *other = &b->stacks[stack_b];
    bool same = one->count == other->count;
    for (uint32_t i = 0; same && i < one->count; i++) {
        const struct profile_frame *x = &a->frames[one->frames[i]], *y = &b->frames[other->frames[i]];
        same = strcmp(x->function, y->function) == 0 && strcmp(module_name(a, x), module_name(b, y)) == 0;
    }
    return same;
}

static int side_of(const struct change *change)
{
    return change->stacks[1] != NOWHERE ? 1 : 0;
}

/* The change of this stack of this side: there already, or new. */
static struct change *change_of(struct changes *changes, const struct side *sides, int side, uint32_t stack)
{
    uint64_t hash = hash_stack(sides[side].profile, stack);
    size_t at = hash & (changes->table_room - 1);
    for (; changes->table[at] != 0; at = (at + 1) & (changes->table_room - 1)) {
        struct change *change = &changes->changes[changes->table[at] - 1];
        int there = side_of(change);
        if (change->hash == hash &&
            is_same_stack(sides[there].profile, change->stacks[there], sides[side].profile, stack))
            return change;
    }
    changes->changes = gci_memory_grow(changes->changes, &changes->room, changes->count + 1, sizeof *changes->changes);
    struct change *change = &changes->changes[changes->count++];
    *change = (struct change){.hash = hash, .stacks = {NOWHERE, NOWHERE}};
    changes->table[at] = (uint32_t)changes->count;
    return change;
}

static void find_changes(struct changes *changes, const struct side *sides, enum total total)
{
    *changes = (struct changes){.table_room = 1};
    while (changes->table_room < 2 * (sides[0].profile->stack_count + sides[1].profile->stack_count))
        changes->table_room *= 2;
    changes->table = gci_memory_take(changes->table_room, sizeof *changes->table);
    changes->changes = gci_memory_grow(NULL, &changes->room, 1, sizeof *changes->changes);
    for (int side = 0; side < 2; side++) {
        for (uint32_t stack = 0; stack < sides[side].profile->stack_count; stack++) {
            const struct figure *figure = &sides[side].totals.stacks[stack].figures[total];
            if (figure->bytes == 0 && figure->objects == 0)
                continue;
            struct change *change = change_of(changes, sides, side, stack);
            change->stacks[side] = stack;
            change->bytes[side] += (double)figure->bytes * sides[side].scale;
            change->objects[side] += (double)figure->objects * sides[side].scale;
        }
    }
}

static double grown_by(const struct change *change)
{
    return change->bytes[1] - change->bytes[0];
}

static int compare_changes(const void *a, const void *b)
{
    const struct change *one = a, *other = b;
    double difference = fabs(grown_by(other)) - fabs(grown_by(one));
    if (difference != 0)
        return difference < 0 ? -1 : 1;
    return one->hash < other->hash ? -1 : one->hash > other->hash;
}

static const char *name_of(const struct change *change)
{
    if (change->stacks[0] == NOWHERE)
        return "new";
    if (change->stacks[1] == NOWHERE)
        return "gone";
    return grown_by(change) > 0 ? "grown" : (grown_by(change) < 0 ? "shrunk" : "same");
}

/* ---- Text ---- */

static struct cell signed_count(double count)
{
    struct cell cell, digits = gci_print_count(gci_print_whole(fabs(count) + 0.5));
    snprintf(cell.text, sizeof cell.text, "%s%.40s", count < 0 ? "-" : "+", digits.text);
    return cell;
}

static void print_callers(const struct profile *profile, uint32_t stack)
{
    const struct profile_stack_frames *frames = &profile->stacks[stack];
    uint32_t own = gci_totals_frame(profile, stack), at = 0;
    unsigned left = PRINT_COLUMNS - CALLERS_INDENT;
    while (at < frames->count && frames->frames[at] != own)
        at++;
    for (at = gci_profile_next_frame(profile, stack, at + 1); at < frames->count;
         at = gci_profile_next_frame(profile, stack, at + 1)) {
        char name[128];
        gci_print_function(name, sizeof name, profile->frames[frames->frames[at]].function, CALLER_COLUMNS);
        unsigned width = gci_print_width(name) + 3;
        if (width + 3 > left)
            break;
        printf("%*s< %s", left == PRINT_COLUMNS - CALLERS_INDENT ? CALLERS_INDENT : 1, "", name);
        left -= width;
    }
    if (left < PRINT_COLUMNS - CALLERS_INDENT)
        puts(at < frames->count ? " .." : "");
}

static void print_change(const struct diff *diff, const struct side *sides, const struct change *change)
{
    int side = side_of(change);
    const struct profile *profile = sides[side].profile;
    uint32_t stack = change->stacks[side], frame = gci_totals_frame(profile, stack);
    printf("%12s %13s  %-6s  ", gci_print_change(grown_by(change)).text,
           signed_count(change->objects[1] - change->objects[0]).text, name_of(change));
    if (frame == TOTALS_NO_FRAME)
        fputs("(the stack is not known)", stdout);
    else
        gci_print_frame(stdout, &profile->frames[frame], PRINT_COLUMNS - PLACE_COLUMN);
    putchar('\n');
    if (diff->stacks)
        gci_print_stack(stdout, profile, stack, CALLERS_INDENT, UINT32_MAX);
    else
        print_callers(profile, stack);
}

static void print_totals(const struct diff *diff, const struct side *sides)
{
    const char *unit = diff->per_second ? "/s" : "";
    printf("%-12s %14s %14s %14s\n", diff->per_second ? "per second" : "", "before", "after", "change");
    for (int i = 0; i < TOTAL_COUNT; i++) {
        double before = (double)sides[0].totals.all.figures[i].bytes * sides[0].scale;
        double after = (double)sides[1].totals.all.figures[i].bytes * sides[1].scale;
        char share[32] = "";
        if (before > 0 && after != before)
            snprintf(share, sizeof share, "%+10.1f %%", (after - before) * 100 / before);
        printf("%-12s %12s%-2s %12s%-2s %12s%2s%s\n", gci_total_kinds[i].name,
               gci_print_bytes(gci_print_whole(before)).text, unit, gci_print_bytes(gci_print_whole(after)).text, unit,
               gci_print_change(after - before).text, unit, share);
    }
    printf("%-12s %14s %14s\n", "ran", gci_print_time(sides[0].profile->duration_ns).text,
           gci_print_time(sides[1].profile->duration_ns).text);
}

static void print_counts(const struct changes *changes)
{
    static const char *const names[] = {"new", "gone", "grown", "shrunk", "same"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t count = 0;
        for (size_t k = 0; k < changes->count; k++)
            count += strcmp(name_of(&changes->changes[k]), names[i]) == 0 ? 1 : 0;
        printf("%s %zu %s", i == 0 ? "" : ",", count, names[i]);
    }
    putchar('\n');
}

static void print_text(const struct diff *diff, const struct side *sides, const struct changes *changes)
{
    print_totals(diff, sides);
    printf("\n%s, by stack:", gci_total_kinds[diff->total].title);
    print_counts(changes);
    size_t shown = 0, different = 0;
    for (size_t i = 0; i < changes->count; i++)
        different += grown_by(&changes->changes[i]) != 0 ? 1 : 0;
    if (different > 0)
        printf("%12s %13s  %-6s  %s\n", diff->per_second ? "bytes/s" : "bytes",
               diff->per_second ? "objects/s" : "objects", "", "where");
    for (; shown < different && shown < diff->rows; shown++)
        print_change(diff, sides, &changes->changes[shown]);
    if (shown < different)
        printf("%*sand %zu more stack%s\n", PLACE_COLUMN, "", different - shown, gci_print_plural(different - shown));
}

/* ---- JSON ---- */

static void print_figures_json(const char *key, double bytes, double objects)
{
    gci_json_open(key, '{');
    gci_json_real("bytes", bytes);
    gci_json_real("objects", objects);
    gci_json_close('}');
}

static void print_side_json(const char *key, const struct side *side)
{
    gci_json_open(key, '{');
    gci_json_text("file", side->profile->path);
    gci_json_number("duration_ns", side->profile->duration_ns);
    for (int i = 0; i < TOTAL_COUNT; i++)
        print_figures_json(gci_total_kinds[i].name, (double)side->totals.all.figures[i].bytes * side->scale,
                           (double)side->totals.all.figures[i].objects * side->scale);
    gci_json_close('}');
}

static void print_json(const struct diff *diff, const struct side *sides, const struct changes *changes)
{
    gci_json_open(NULL, '{');
    print_side_json("before", &sides[0]);
    print_side_json("after", &sides[1]);
    gci_json_text("compared", gci_total_kinds[diff->total].name);
    gci_json_flag("per_second", diff->per_second);
    gci_json_open("changes", '[');
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->changes[i];
        gci_json_open(NULL, '{');
        gci_json_text("change", name_of(change));
        print_figures_json("before", change->bytes[0], change->objects[0]);
        print_figures_json("after", change->bytes[1], change->objects[1]);
        gci_json_stack("stack", sides[side_of(change)].profile, change->stacks[side_of(change)]);
        gci_json_close('}');
    }
    gci_json_close(']');
    gci_json_close('}');
    putchar('\n');
}

/* ---- All together ---- */

static bool open_side(const struct diff *diff, struct side *side, const char *word)
{
    side->profile = gci_view_read(&diff->view, word);
    if (!side->profile)
        return false;
    gci_totals_make(&side->totals, side->profile);
    side->scale = diff->per_second && side->profile->duration_ns > 0 ? 1e9 / (double)side->profile->duration_ns : 1;
    return true;
}

static void compare(const struct diff *diff, const struct side *sides)
{
    struct changes changes;
    find_changes(&changes, sides, diff->total);
    if (changes.count > 0)
        qsort(changes.changes, changes.count, sizeof *changes.changes, compare_changes);
    if (diff->view.json)
        print_json(diff, sides, &changes);
    else
        print_text(diff, sides, &changes);
    free(changes.changes);
    free(changes.table);
}

int gci_diff_main(int argc, char **argv)
{
    struct diff diff = {.view = {.command = "diff", .least = 2, .most = 2, .what = "two profiles are"},
                        .rows = ROWS_USUAL};
    struct side sides[2] = {0};
    int code;
    if (!gci_view_parse(&gci_diff_arguments, argc, argv, &diff.view, &diff, &code))
        return code;
    bool both = open_side(&diff, &sides[0], diff.view.words[0]) && open_side(&diff, &sides[1], diff.view.words[1]);
    if (both)
        compare(&diff, sides);
    for (int i = 0; i < 2; i++) {
        gci_totals_forget(&sides[i].totals);
        gci_profile_forget(sides[i].profile);
    }
    return both ? gci_view_finish(0) : EXIT_OWN_FAILURE;
}
