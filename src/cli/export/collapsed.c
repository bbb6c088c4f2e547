/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>

#include "cli/base/memory.h"
#include "cli/export/formats.h"
#include "cli/output/calls.h"
#include "cli/print/escape.h"

/* `path` has room for the tree's depth. */
static void print_line(const struct call_tree *tree, uint32_t node, uint64_t value, uint32_t *path, FILE *stream)
{
    size_t depth = 0;
    for (; node != 0; node = gci_calls_node(tree, node).parent)
        path[depth++] = gci_calls_node(tree, node).label;
    while (depth-- > 0) {
        gci_escape_field(stream, gci_calls_name(tree, path[depth]), ';');
        putc_unlocked(depth > 0 ? ';' : ' ', stream);
    }
    fprintf(stream, "%" PRIu64 "\n", value);
}

void gci_collapsed_write(const struct profile *profile, FILE *stream, const void *metric)
{
    struct call_tree tree;
    gci_calls_build(&tree, profile, false);
    uint64_t *values = gci_memory_take(tree.nodes.count, sizeof *values);
    gci_metric_add(profile, *(const enum metric *)metric, tree.stack_nodes, values);
    for (uint32_t node = 1; node < tree.nodes.count; node++) {
        if (values[node] > 0)
            print_line(&tree, node, values[node], tree.frames, stream);
    }
    free(values);
    gci_calls_forget(&tree);
}
