/* SPDX-License-Identifier: MIT */
/* https://www.speedscope.app/file-format-schema.json. Frames are told apart by function, file and line. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <gcalloc.h> /* for the version alone */

#include "cli/base/memory.h"
#include "cli/export/formats.h"
#include "cli/output/calls.h"
#include "cli/print/escape.h"

#define TEXT_OF_(number) #number
#define TEXT_OF(number) TEXT_OF_(number)
#define VERSION TEXT_OF(GCA_VERSION_MAJOR) "." TEXT_OF(GCA_VERSION_MINOR) "." TEXT_OF(GCA_VERSION_PATCH)

/* The order of the list that people choose from. */
static const enum metric shown[] = {METRIC_LIVE,        METRIC_OBJECTS, METRIC_PEAK,      METRIC_ALLOCATED,
                                    METRIC_ALLOCATIONS, METRIC_LEAKED,  METRIC_COLLECTED, METRIC_TEMPORARY};
#define SHOWN_COUNT (sizeof shown / sizeof shown[0])

struct speedscope {
    const struct call_tree *tree;
    FILE *stream;
    uint64_t *values; /* of the nodes, for one metric */
    size_t profiles;  /* written so far */
    size_t active;    /* the one that is shown first */
};

static void print_frame(const struct call_tree *tree, uint32_t label, FILE *stream)
{
    const char *file = gci_calls_file(tree, label);
    uint32_t line = gci_calls_label(tree, label).line;
    fputs(label ? ",\n{\"name\":" : "\n{\"name\":", stream);
    gci_escape_json(stream, gci_calls_name(tree, label));
    if (file) {
        fputs(",\"file\":", stream);
        gci_escape_json(stream, file);
    }
    if (line)
        fprintf(stream, ",\"line\":%" PRIu32, line);
    putc_unlocked('}', stream);
}

static uint64_t sum_of(const struct speedscope *all)
{
    uint64_t sum = 0;
    for (uint32_t node = 1; node < all->tree->nodes.count; node++)
        sum += all->values[node];
    return sum;
}

static void print_sample(const struct call_tree *tree, uint32_t node, FILE *stream)
{
    size_t depth = 0;
    for (; node != 0; node = gci_calls_node(tree, node).parent)
        tree->frames[depth++] = gci_calls_node(tree, node).label;
    char before = '[';
    while (depth-- > 0) {
        putc_unlocked(before, stream);
        gci_escape_number(stream, tree->frames[depth]);
        before = ',';
    }
    putc_unlocked(']', stream);
}

static void print_samples(const struct speedscope *all)
{
    const char *before = "\n";
    fputs(",\"samples\":[", all->stream);
    for (uint32_t node = 1; node < all->tree->nodes.count; node++) {
        if (all->values[node] == 0)
            continue;
        fputs(before, all->stream);
        print_sample(all->tree, node, all->stream);
        before = ",\n";
    }
    before = "";
    fputs("],\n\"weights\":[", all->stream);
    for (uint32_t node = 1; node < all->tree->nodes.count; node++) {
        if (all->values[node] == 0)
            continue;
        fputs(before, all->stream);
        gci_escape_number(all->stream, all->values[node]);
        before = ",";
    }
    fputs("]}", all->stream);
}

/* A metric of which there is nothing has no profile, unless it is the one that was asked for, which is shown first. */
static void print_metric(struct speedscope *all, enum metric metric, bool is_wanted)
{
    const struct metric_kind *kind = &gci_metric_kinds[metric];
    memset(all->values, 0, all->tree->nodes.count * sizeof *all->values);
    gci_metric_add(all->tree->profile, metric, all->tree->stack_nodes, all->values);
    uint64_t sum = sum_of(all);
    if (sum == 0 && !is_wanted)
        return;
    if (is_wanted)
        all->active = all->profiles;
    fprintf(all->stream,
            "%s\n{\"type\":\"sampled\",\"name\":\"%s\",\"unit\":\"%s\",\"startValue\":0,\"endValue\":%" PRIu64,
            all->profiles++ > 0 ? "," : "", kind->title, kind->is_bytes ? "bytes" : "none", sum);
    print_samples(all);
}

static void print_all(struct speedscope *all, enum metric wanted)
{
    bool is_shown = false;
    fputs("{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\n\"exporter\":\"gcalloc@" VERSION
          "\",\n"
          "\"name\":",
          all->stream);
    gci_escape_json(all->stream, all->tree->profile->executable);
    fputs(",\n\"shared\":{\"frames\":[", all->stream);
    for (uint32_t label = 0; label < all->tree->labels.count; label++)
        print_frame(all->tree, label, all->stream);
    fputs("]},\n\"profiles\":[", all->stream);
    for (size_t i = 0; i < SHOWN_COUNT; i++) {
        is_shown = is_shown || shown[i] == wanted;
        print_metric(all, shown[i], shown[i] == wanted);
    }
    if (!is_shown)
        print_metric(all, wanted, true);
    fprintf(all->stream, "],\n\"activeProfileIndex\":%zu}\n", all->active);
}

void gci_speedscope_write(const struct profile *profile, FILE *stream, const void *metric)
{
    struct call_tree tree;
    struct speedscope all = {.tree = &tree, .stream = stream};
    gci_calls_build(&tree, profile, true);
    all.values = gci_memory_take(tree.nodes.count, sizeof *all.values);
    print_all(&all, *(const enum metric *)metric);
    free(all.values);
    gci_calls_forget(&tree);
}
