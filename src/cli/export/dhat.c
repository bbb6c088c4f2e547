/* SPDX-License-Identifier: MIT */
/* The JSON of valgrind's DHAT, version 2: one "program point" for each stack, with totals, what it had at the peak of all ("g")
 * and at the end ("e"), and its own maximum, here the largest of the moments that the profile has. Times are microseconds.
 *
 * The profile knows lifetimes only by powers of four; the sum of them, "tl", takes the geometric middle of each.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "cli/base/memory.h"
#include "cli/export/formats.h"
#include "cli/output/calls.h"
#include "cli/print/escape.h"

#define SHORT_US 1000 /* short-lived: the first of PROFILE_LIFETIMES */
#define NS_PER_US 1000

struct point {
    uint64_t total_bytes, total_blocks;
    uint64_t lifetime_us;
    uint64_t most_bytes, most_blocks;
    uint64_t peak_bytes, peak_blocks;
    uint64_t end_bytes, end_blocks;
    uint64_t bytes, blocks; /* at the moment that is looked at */
};

/* Middle of the lifetimes that are counted in `bucket`: up to 1 ms, 1 to 4 ms, 4 to 16 ms ... */
static uint64_t middle_us(unsigned bucket)
{
    return bucket == 0 ? SHORT_US / 2 : (uint64_t)(SHORT_US * 2) << (2 * (bucket - 1));
}

/* Nothing lives longer than the program. */
static uint64_t lifetime_of(const struct profile_figures *figures, uint64_t duration_us)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < PROFILE_LIFETIMES; i++) {
        uint64_t middle = middle_us(i) < duration_us ? middle_us(i) : duration_us;
        sum += (figures->lifetimes[i] + figures->ages[i]) * middle;
    }
    return sum;
}

static void add_totals(const struct call_tree *tree, struct point *points)
{
    struct metric_rows last = gci_metric_rows(tree->profile, METRIC_OF_LAST);
    for (size_t i = 0; i < last.count; i++) {
        struct point *point = &points[tree->stack_nodes[last.rows[i].stack]];
        point->total_bytes += last.rows[i].allocated_bytes;
        point->total_blocks += last.rows[i].allocated_objects;
        point->end_bytes += last.rows[i].live_bytes;
        point->end_blocks += last.rows[i].live_objects;
        point->lifetime_us += lifetime_of(&last.rows[i], tree->profile->duration_ns / NS_PER_US);
    }
    struct metric_rows peak = gci_metric_rows(tree->profile, METRIC_OF_PEAK);
    for (size_t i = 0; i < peak.count; i++) {
        struct point *point = &points[tree->stack_nodes[peak.rows[i].stack]];
        point->peak_bytes += peak.rows[i].live_bytes;
        point->peak_blocks += peak.rows[i].live_objects;
    }
}

static void add_most(const struct call_tree *tree, const struct profile_moment_rows *moment, struct point *points)
{
    for (size_t i = 0; i < moment->count; i++) {
        struct point *point = &points[tree->stack_nodes[moment->rows[i].stack]];
        point->bytes += moment->rows[i].live_bytes;
        point->blocks += moment->rows[i].live_objects;
    }
    for (size_t i = 0; i < moment->count; i++) {
        struct point *point = &points[tree->stack_nodes[moment->rows[i].stack]];
        if (point->bytes > point->most_bytes) {
            point->most_bytes = point->bytes;
            point->most_blocks = point->blocks;
        }
        point->bytes = point->blocks = 0; /* several rows of a stack: the first has all of them */
    }
}

static void print_head(const struct profile *profile, FILE *stream)
{
    uint64_t end_us = profile->duration_ns / NS_PER_US, peak_us = profile->end.peak_time_ns / NS_PER_US;
    const char *before = "";
    fputs("{\"dhatFileVersion\":2,\"mode\":\"heap\",\"verb\":\"Allocated\",\"bklt\":true,\"bkacc\":false,\n"
          "\"tu\":\"us\",\"Mtu\":\"s\",\"tuth\":",
          stream);
    fprintf(stream, "%d,\n\"cmd\":\"", SHORT_US);
    for (size_t i = 0; profile->words && profile->words[i]; i++) {
        fputs(before, stream);
        gci_escape_json_inner(stream, profile->words[i]);
        before = " ";
    }
    fprintf(stream, "\",\"pid\":%" PRIu32 ",\"te\":%" PRIu64 ",\"tg\":%" PRIu64 ",\n\"pps\":[", profile->header.process,
            end_us, peak_us);
}

static void print_frames(const struct call_tree *tree, uint32_t node, FILE *stream)
{
    char before = '[';
    fputs(",\"fs\":", stream);
    for (; node != 0; node = gci_calls_node(tree, node).parent) {
        putc_unlocked(before, stream);
        gci_escape_number(stream, gci_calls_node(tree, node).label + (uint64_t)1);
        before = ',';
    }
    fputs("]}", stream);
}

static void print_point(const struct point *point, FILE *stream)
{
    fprintf(stream, "{\"tb\":%" PRIu64 ",\"tbk\":%" PRIu64 ",\"tl\":%" PRIu64, point->total_bytes, point->total_blocks,
            point->lifetime_us);
    fprintf(stream, ",\"mb\":%" PRIu64 ",\"mbk\":%" PRIu64 ",\"gb\":%" PRIu64 ",\"gbk\":%" PRIu64, point->most_bytes,
            point->most_blocks, point->peak_bytes, point->peak_blocks);
    fprintf(stream, ",\"eb\":%" PRIu64 ",\"ebk\":%" PRIu64, point->end_bytes, point->end_blocks);
}

static void print_points(const struct call_tree *tree, const struct point *points, FILE *stream)
{
    const char *before = "\n";
    for (uint32_t node = 1; node < tree->nodes.count; node++) {
        if (points[node].total_blocks == 0 && points[node].most_bytes == 0)
            continue;
        fputs(before, stream);
        print_point(&points[node], stream);
        print_frames(tree, node, stream);
        before = ",\n";
    }
}

/* "0x1234: function (file.c:12)"; the address is that of one call, for readers that want one. */
static void print_label(const struct call_tree *tree, uint32_t label, FILE *stream)
{
    uint32_t number = tree->label_frames[label], line = gci_calls_label(tree, label).line;
    const struct profile_frame *frame = number == CALLS_NO_FRAME ? NULL : &tree->profile->frames[number];
    const char *file = gci_calls_file(tree, label);
    fprintf(stream, ",\n\"0x%" PRIX64 ": ", frame ? frame->address : 0);
    gci_escape_json_inner(stream, gci_calls_name(tree, label));
    if (file) {
        fputs(" (", stream);
        gci_escape_json_inner(stream, file);
        fprintf(stream, ":%" PRIu32 ")", line);
    } else if (frame && frame->module < tree->profile->module_count) {
        fputs(" (in ", stream);
        gci_escape_json_inner(stream, tree->profile->modules[frame->module].path);
        putc_unlocked(')', stream);
    }
    putc_unlocked('"', stream);
}

static void print_all(const struct call_tree *tree, struct point *points, FILE *stream)
{
    add_totals(tree, points);
    for (size_t i = 0; i < tree->profile->moment_count; i++)
        add_most(tree, &tree->profile->moments[i], points);
    print_head(tree->profile, stream);
    print_points(tree, points, stream);
    fputs("],\n\"ftbl\":[\"[root]\"", stream);
    for (uint32_t label = 0; label < tree->labels.count; label++)
        print_label(tree, label, stream);
    fputs("]}\n", stream);
}

void gci_dhat_write(const struct profile *profile, FILE *stream, const void *metric)
{
    struct call_tree tree;
    (void)metric;
    gci_calls_build(&tree, profile, true);
    struct point *points = gci_memory_take(tree.nodes.count, sizeof *points);
    print_all(&tree, points, stream);
    free(points);
    gci_calls_forget(&tree);
}
