/* SPDX-License-Identifier: MIT */
#include "cli/flamegraph/picture.h"

#include <stdlib.h>
#include <string.h>

#include "cli/base/memory.h"
#include "cli/output/calls.h"
#include "cli/print/escape.h"
#include "cli/print/print.h"

#define FRAMES_MOST 20000 /* more make browsers slow */
#define WIDTH 1200.0
#define MARGIN 10.0
#define HEAD 64.0 /* title, line of figures, search */
#define FOOT 16.0
#define ROW 18.0
#define GAP 1.0         /* between rows */
#define CHARACTER 6.7   /* width of one, with some spare */
#define TEXT_MARGIN 4.0 /* before and behind the text of a frame */
#define TEXT_LEAST 3    /* characters; less says nothing */
#define BASELINE 13.0   /* of a row's text */
#define SHADES 4        /* of each colour, as in flamegraph.css */
#define COLOURS 6       /* of modules; the first is the program's own */

struct picture {
    const struct profile *profile;
    FILE *stream;
    enum metric metric;
    struct call_tree tree;
    uint64_t *totals;  /* by node: its own and of all below it */
    double *lefts;     /* by node: in shares of the whole */
    uint32_t *depths;  /* by node */
    uint32_t *order;   /* nodes but the root, by parent, then by name */
    uint64_t smallest; /* lighter nodes are not drawn */
    uint32_t deepest;  /* of those that are drawn */
};

/* ---- Layout ---- */

static int compare_nodes(const void *one, const void *other, void *tree)
{
    struct call_node a = gci_calls_node(tree, *(const uint32_t *)one),
                     b = gci_calls_node(tree, *(const uint32_t *)other);
    if (a.parent != b.parent)
        return a.parent < b.parent ? -1 : 1;
    return strcmp(gci_calls_name(tree, a.label), gci_calls_name(tree, b.label));
}

static int compare_heaviest_first(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return a > b ? -1 : a < b;
}

static void sum_up(struct picture *picture)
{
    gci_metric_add(picture->profile, picture->metric, picture->tree.stack_nodes, picture->totals);
    for (uint32_t node = picture->tree.nodes.count - 1; node > 0; node--)
        picture->totals[gci_calls_node(&picture->tree, node).parent] += picture->totals[node];
}

/* A node is never heavier than its parent: those that are left make up a tree. */
static void choose_smallest(struct picture *picture)
{
    uint32_t count = picture->tree.nodes.count;
    picture->smallest = 1;
    if (count <= FRAMES_MOST)
        return;
    uint64_t *sorted = gci_memory_take(count, sizeof *sorted);
    memcpy(sorted, picture->totals, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_heaviest_first);
    picture->smallest = sorted[FRAMES_MOST] + 1;
    free(sorted);
}

static bool is_drawn(const struct picture *picture, uint32_t node)
{
    return picture->totals[node] >= picture->smallest;
}

/* In the order by parents each parent has its place before its children need it, as its number is smaller. */
static void place(struct picture *picture)
{
    uint32_t count = picture->tree.nodes.count, last_parent = UINT32_MAX;
    double left = 0;
    for (uint32_t i = 1; i < count; i++)
        picture->order[i - 1] = i;
    qsort_r(picture->order, count - 1, sizeof *picture->order, compare_nodes, &picture->tree);
    for (uint32_t i = 0; i + 1 < count; i++) {
        uint32_t node = picture->order[i], parent = gci_calls_node(&picture->tree, node).parent;
        if (parent != last_parent)
            left = picture->lefts[parent];
        last_parent = parent;
        picture->lefts[node] = left;
        picture->depths[node] = picture->depths[parent] + 1;
        left += (double)picture->totals[node] / (double)(picture->totals[0] ? picture->totals[0] : 1);
        if (is_drawn(picture, node) && picture->depths[node] > picture->deepest)
            picture->deepest = picture->depths[node];
    }
}

static void lay_out(struct picture *picture)
{
    gci_calls_build(&picture->tree, picture->profile, false);
    uint32_t count = picture->tree.nodes.count;
    picture->totals = gci_memory_take(count, sizeof *picture->totals);
    picture->lefts = gci_memory_take(count, sizeof *picture->lefts);
    picture->depths = gci_memory_take(count, sizeof *picture->depths);
    picture->order = gci_memory_take(count, sizeof *picture->order);
    sum_up(picture);
    choose_smallest(picture);
    place(picture);
}

/* ---- Frames ---- */

static struct cell format_amount(const struct picture *picture, uint64_t amount)
{
    if (gci_metric_kinds[picture->metric].is_bytes)
        return gci_print_bytes(amount);
    struct cell cell = gci_print_count(amount);
    strncat(cell.text, amount == 1 ? " object" : " objects", sizeof cell.text - strlen(cell.text) - 1);
    return cell;
}

static double share(const struct picture *picture, uint32_t node)
{
    return picture->totals[0] ? (double)picture->totals[node] / (double)picture->totals[0] : 1;
}

static const struct profile_frame *frame_of(const struct picture *picture, uint32_t node)
{
    uint32_t number = picture->tree.label_frames[gci_calls_node(&picture->tree, node).label];
    return number == CALLS_NO_FRAME ? NULL : &picture->profile->frames[number];
}

static unsigned hash(const char *text)
{
    unsigned value = 0x811c9dc5; /* FNV-1a */
    for (; *text; text++)
        value = (value ^ (unsigned char)*text) * 0x01000193;
    return value ^ value >> 15;
}

/* The program's own code and places of its source are of the first colour, what has no name of none. */
static int colour_of(const struct picture *picture, uint32_t node)
{
    const struct profile_frame *frame = node == 0 ? NULL : frame_of(picture, node);
    if (!frame || !frame->has_name)
        return COLOURS;
    if (frame->module >= picture->profile->module_count)
        return 0;
    const char *path = picture->profile->modules[frame->module].path;
    return strcmp(path, picture->profile->executable) == 0 ? 0 : (int)(1 + hash(path) % (COLOURS - 1));
}

static const char *name_of(const struct picture *picture, uint32_t node)
{
    return node == 0 ? "all" : gci_calls_name(&picture->tree, gci_calls_node(&picture->tree, node).label);
}

static void print_title(const struct picture *picture, uint32_t node)
{
    const struct profile_frame *frame = node == 0 ? NULL : frame_of(picture, node);
    fputs("<title>", picture->stream);
    gci_escape_xml(picture->stream, name_of(picture, node));
    fprintf(picture->stream, "\n%s, %.2f %%", format_amount(picture, picture->totals[node]).text,
            100 * share(picture, node));
    if (frame && frame->file) {
        fputs("\n", picture->stream);
        gci_escape_xml(picture->stream, frame->file);
    }
    if (frame && frame->module < picture->profile->module_count) {
        fputs("\n", picture->stream);
        gci_escape_xml(picture->stream, picture->profile->modules[frame->module].path);
    }
    fputs("</title>", picture->stream);
}

/* As many characters as there is room for; two dots stand for what is left out. */
static void print_cut(const struct picture *picture, const char *text, size_t room)
{
    size_t characters = 0, bytes = 0;
    char cut[256]; /* the room of the widest frame, four bytes a character */
    for (const char *at = text; *at; characters++)
        at += gci_escape_character(at) ? gci_escape_character(at) : 1;
    bool is_cut = characters > room;
    for (size_t left = is_cut ? room - 2 : characters; left > 0; left--) {
        size_t length = gci_escape_character(text + bytes);
        bytes += length ? length : 1;
    }
    if (bytes >= sizeof cut)
        bytes = sizeof cut - 1;
    memcpy(cut, text, bytes);
    cut[bytes] = '\0';
    gci_escape_xml(picture->stream, cut);
    fputs(is_cut ? ".." : "", picture->stream);
}

static void print_frame(const struct picture *picture, uint32_t node)
{
    double room = WIDTH - 2 * MARGIN, left = MARGIN + picture->lefts[node] * room, width = share(picture, node) * room;
    double top = HEAD + picture->depths[node] * ROW;
    const char *name = name_of(picture, node);
    fprintf(picture->stream, "<g class=\"f c%d s%u\">", colour_of(picture, node), hash(name) % SHADES);
    print_title(picture, node);
    fprintf(picture->stream, "<rect x=\"%.4f\" y=\"%.0f\" width=\"%.4f\" height=\"%.0f\"/>", left, top, width,
            ROW - GAP);
    double characters = (width - 2 * TEXT_MARGIN) / CHARACTER;
    fprintf(picture->stream, "<text x=\"%.2f\" y=\"%.0f\">", left + TEXT_MARGIN, top + BASELINE);
    if (characters >= TEXT_LEAST)
        print_cut(picture, name, (size_t)characters);
    fputs("</text></g>\n", picture->stream);
}

/* ---- The page ---- */

static void print_texts(const struct picture *picture)
{
    const char *path = picture->profile->executable, *slash = strrchr(path, '/');
    uint32_t drawn = 0;
    for (uint32_t node = 1; node < picture->tree.nodes.count; node++)
        drawn += is_drawn(picture, node);
    fprintf(picture->stream, "<text class=\"title\" x=\"%.0f\" y=\"24\">", MARGIN);
    gci_escape_xml(picture->stream, slash && slash[1] ? slash + 1 : path);
    fprintf(picture->stream, ": %s</text>\n<text class=\"note\" x=\"%.0f\" y=\"44\">%s in %s calls",
            gci_metric_kinds[picture->metric].title, MARGIN, format_amount(picture, picture->totals[0]).text,
            gci_print_count(drawn).text);
    if (picture->smallest > 1)
        fprintf(picture->stream, "; those below %s are not drawn", format_amount(picture, picture->smallest).text);
    if (picture->totals[0] == 0)
        fputs(": the profile has none of these; --metric chooses another figure", picture->stream);
    fputs("</text>\n", picture->stream);
}

static void print_page(const struct picture *picture)
{
    double height = HEAD + (picture->deepest + 1) * ROW + FOOT;
    fprintf(
        picture->stream,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n<style>",
        WIDTH, height, WIDTH, height);
    fprintf(picture->stream, "%s</style>\n<rect class=\"page\" width=\"100%%\" height=\"100%%\"/>\n",
            gci_picture_style);
    print_texts(picture);
    fputs("<g id=\"frames\">\n", picture->stream);
    print_frame(picture, 0);
    for (uint32_t i = 0; i + 1 < picture->tree.nodes.count; i++) {
        if (is_drawn(picture, picture->order[i]))
            print_frame(picture, picture->order[i]);
    }
    fprintf(picture->stream, "</g>\n<script><![CDATA[\n%s]]></script>\n</svg>\n", gci_picture_script);
}

void gci_picture_write(const struct profile *profile, FILE *stream, const void *metric)
{
    struct picture picture = {.profile = profile, .stream = stream, .metric = *(const enum metric *)metric};
    lay_out(&picture);
    print_page(&picture);
    free(picture.totals);
    free(picture.lefts);
    free(picture.depths);
    free(picture.order);
    gci_calls_forget(&picture.tree);
}
