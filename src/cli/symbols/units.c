/* SPDX-License-Identifier: MIT */
/* Units are found by their own ranges, for clang leaves the table of them out. Each unit with addresses is walked through
 * once for all of them, and only where there are some: a function without is passed over with all that is in it. What has
 * found no function then lies in one that is nested in a type or in a function elsewhere: for that the whole unit is walked.
 */
#include "cli/symbols/units.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#include "cli/symbols/demangle.h"

#define DEPTH_MOST 128 /* of nested scopes: more is damage */

/* A function that an address lies in: the one that was compiled, or one inlined into it. */
struct scope {
    Dwarf_Die die;
    struct scope *outer;
};

struct query {
    uint64_t address; /* in the file's addresses */
    struct symbol_lookup *lookup;
    struct scope *innermost;
    uint32_t unit;
};

struct unit {
    Dwarf_Die die;  /* with the table of lines */
    Dwarf_Die root; /* of the tree: the same, or in a file of its own */
};

struct finder {
    struct memory_pool *pool;
    struct memory_pool scopes;
    uint64_t bias; /* from DWARF's addresses to the image's */
    struct unit *units;
    size_t unit_count, unit_room;
    struct query *queries;
    size_t count;
    bool everything; /* no scope is passed over */
};

#define NO_UNIT UINT32_MAX

/* ---- Units ---- */

static size_t first_from(const struct query *queries, size_t low, size_t high, uint64_t address)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (queries[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Gives its addresses to a unit. Code that the linker threw away seems to lie at 0. */
static void claim(struct finder *finder, const struct image *image, Dwarf_Die *die, uint32_t unit)
{
    Dwarf_Addr base = 0, start = 0, end = 0;
    ptrdiff_t at = 0;
    while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0) {
        start += finder->bias;
        end += finder->bias;
        if (start < image->code_start)
            continue;
        for (size_t i = first_from(finder->queries, 0, finder->count, start);
             i < finder->count && finder->queries[i].address < end; i++) {
            if (finder->queries[i].unit == NO_UNIT)
                finder->queries[i].unit = unit;
        }
    }
}

static void find_units(struct finder *finder, const struct image *image, Dwarf *dwarf)
{
    Dwarf_CU *unit = NULL;
    Dwarf_Die die, root;
    uint8_t type = 0;
    while (dwarf_get_units(dwarf, unit, &unit, NULL, &type, &die, &root) == 0) {
        if (type != DW_UT_compile && type != DW_UT_skeleton)
            continue;
        finder->units =
            gci_memory_grow(finder->units, &finder->unit_room, finder->unit_count + 1, sizeof *finder->units);
        bool is_split = type == DW_UT_skeleton && dwarf_tag(&root) != DW_TAG_invalid;
        finder->units[finder->unit_count] = (struct unit){.die = die, .root = is_split ? root : die};
        claim(finder, image, &die, (uint32_t)finder->unit_count++);
    }
}

/* ---- Scopes ---- */

/* Notes the scope for those of queries `low` to `high` that are in it; moves the bounds to the first and behind the last. */
static bool enter(struct finder *finder, Dwarf_Die *die, size_t *low, size_t *high, bool is_function)
{
    Dwarf_Addr base = 0, start = 0, end = 0;
    size_t first = *high, last = *low;
    ptrdiff_t at = 0;
    while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0) {
        size_t from = first_from(finder->queries, *low, *high, start + finder->bias);
        size_t i = from;
        for (; i < *high && finder->queries[i].address < end + finder->bias; i++) {
            if (!is_function)
                continue;
            struct scope *scope = gci_memory_pool_take(&finder->scopes, sizeof *scope);
            *scope = (struct scope){.die = *die, .outer = finder->queries[i].innermost};
            if (dwarf_tag(die) == DW_TAG_subprogram)
                scope->outer = NULL;
            finder->queries[i].innermost = scope;
        }
        if (i > from) {
            first = from < first ? from : first;
            last = i > last ? i : last;
        }
    }
    *low = first;
    *high = last;
    return first < last;
}

static void walk(struct finder *finder, Dwarf_Die *parent, size_t low, size_t high, int depth);

static void visit(struct finder *finder, Dwarf_Die *die, size_t low, size_t high, int depth)
{
    size_t from = low, to = high;
    switch (dwarf_tag(die)) {
    case DW_TAG_subprogram:
    case DW_TAG_inlined_subroutine:
        if (enter(finder, die, &from, &to, true))
            walk(finder, die, from, to, depth);
        else if (finder->everything && dwarf_tag(die) == DW_TAG_subprogram)
            walk(finder, die, low, high, depth);
        return;
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
        if (finder->everything || enter(finder, die, &from, &to, false))
            walk(finder, die, finder->everything ? low : from, finder->everything ? high : to, depth);
        return;
    case DW_TAG_namespace:
    case DW_TAG_module:
        walk(finder, die, low, high, depth);
        return;
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
        if (finder->everything)
            walk(finder, die, low, high, depth);
        return;
    default:
        return;
    }
}

static void walk(struct finder *finder, Dwarf_Die *parent, size_t low, size_t high, int depth)
{
    Dwarf_Die child;
    if (depth > DEPTH_MOST || dwarf_child(parent, &child) != 0)
        return;
    do
        visit(finder, &child, low, high, depth + 1);
    while (dwarf_siblingof(&child, &child) == 0);
}

/* ---- Frames ---- */

static const char *text_of(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    return dwarf_formstring(dwarf_attr_integrate(die, name, &attribute));
}

static const char *name_of(struct memory_pool *pool, Dwarf_Die *die)
{
    const char *name = text_of(die, DW_AT_linkage_name);
    if (!name)
        name = text_of(die, DW_AT_MIPS_linkage_name);
    if (!name)
        name = text_of(die, DW_AT_name);
    return name ? gci_demangle(pool, name) : NULL;
}

static void copy_place(struct memory_pool *pool, struct profile_frame *frame, const char *file, int line)
{
    frame->file = file ? gci_memory_pool_text(pool, file, strlen(file)) : NULL;
    frame->line = file && line > 0 ? (uint32_t)line : 0;
}

static void place_by_lines(struct finder *finder, struct unit *unit, uint64_t address, struct profile_frame *frame)
{
    Dwarf_Line *line = dwarf_getsrc_die(&unit->die, address - finder->bias);
    int number = 0;
    if (line && dwarf_lineno(line, &number) == 0)
        copy_place(finder->pool, frame, dwarf_linesrc(line, NULL, NULL), number);
}

/* Where the inlined function was called. */
static void place_by_call(struct finder *finder, struct unit *unit, Dwarf_Die *inlined, struct profile_frame *frame)
{
    Dwarf_Attribute attribute;
    Dwarf_Word file = 0, line = 0;
    Dwarf_Files *files = NULL;
    size_t count = 0;
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file) != 0 ||
        dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &line) != 0 ||
        dwarf_getsrcfiles(&unit->die, &files, &count) != 0 || file >= count || line > INT32_MAX)
        return;
    copy_place(finder->pool, frame, dwarf_filesrc(files, file, NULL, NULL), (int)line);
}

static void answer(struct finder *finder, struct query *query)
{
    struct unit *unit = &finder->units[query->unit];
    uint32_t count = 0;
    for (struct scope *scope = query->innermost; scope; scope = scope->outer)
        count++;
    count = count > 0 ? count : 1;
    struct profile_frame *frames = gci_memory_pool_take(finder->pool, count * sizeof *frames);
    memset(frames, 0, count * sizeof *frames);
    place_by_lines(finder, unit, query->address, &frames[0]);
    struct scope *scope = query->innermost;
    for (uint32_t i = 0; scope; i++, scope = scope->outer) {
        frames[i].function = name_of(finder->pool, &scope->die);
        frames[i].has_name = frames[i].function != NULL;
        frames[i].is_inlined = scope->outer != NULL;
        if (scope->outer)
            place_by_call(finder, unit, &scope->die, &frames[i + 1]);
    }
    query->lookup->frames = frames;
    query->lookup->count = count;
}

/* ---- All together ---- */

static int compare_queries(const void *a, const void *b)
{
    const struct query *one = a, *other = b;
    if (one->unit != other->unit)
        return one->unit < other->unit ? -1 : 1;
    return one->address < other->address ? -1 : one->address > other->address;
}

/* Queries `low` to `high` are those of one unit. */
static void find_in_unit(struct finder *finder, size_t low, size_t high)
{
    struct unit *unit = &finder->units[finder->queries[low].unit];
    bool all = true;
    finder->everything = false;
    walk(finder, &unit->root, low, high, 0);
    for (size_t i = low; i < high; i++)
        all = all && finder->queries[i].innermost;
    if (!all) {
        for (size_t i = low; i < high; i++)
            finder->queries[i].innermost = NULL;
        finder->everything = true;
        walk(finder, &unit->root, low, high, 0);
    }
    for (size_t i = low; i < high; i++)
        answer(finder, &finder->queries[i]);
    gci_memory_pool_forget(&finder->scopes);
}

void gci_units_find(const struct image *image, struct memory_pool *pool, struct symbol_lookup *lookups, size_t count,
                    void (*on_unit)(void *data, size_t done), void *data)
{
    struct finder finder = {.pool = pool, .count = count};
    Dwarf *dwarf = dwfl_module_getdwarf(image->module, &finder.bias);
    if (!dwarf)
        return;
    finder.queries = gci_memory_take(count, sizeof *finder.queries);
    for (size_t i = 0; i < count; i++)
        finder.queries[i] =
            (struct query){.address = lookups[i].address - image->bias, .lookup = &lookups[i], .unit = NO_UNIT};
    find_units(&finder, image, dwarf);
    qsort(finder.queries, count, sizeof *finder.queries, compare_queries);
    for (size_t low = 0, high; low < count && finder.queries[low].unit != NO_UNIT; low = high) {
        for (high = low + 1; high < count && finder.queries[high].unit == finder.queries[low].unit;)
            high++;
        on_unit(data, low);
        find_in_unit(&finder, low, high);
    }
    free(finder.queries);
    free(finder.units);
}
