/* SPDX-License-Identifier: MIT */
/* Why objects live: what each allocation site keeps alive, and by what it is kept, of a profile that has the heap as a graph.
 *
 * Objects of one site under objects of another, in the tree of dominators, are a group, so that a list or a table of a million
 * objects is a few groups. Only what the roots reach counts; the rest is lost.
 */
#ifndef GCI_CLI_HTML_DATA_GRAPH_H
#define GCI_CLI_HTML_DATA_GRAPH_H

#include <stdbool.h>

#include "cli/html/data/names.h"
#include "cli/profile/retain.h"

#define ROOT_KINDS 8 /* enum profile_root_kind, with 0 */

struct page_site {
    uint64_t objects, bytes;
    uint64_t retained_bytes;
    uint64_t doubtful_bytes; /* of `bytes` */
    uint64_t best_bytes;     /* what `best_object` retains */
    uint32_t best_object;    /* the one that retains most */
    uint32_t node;           /* of the tree of stacks; sites are by this */
};

struct page_group {
    uint64_t objects, bytes, retained_bytes;
    uint32_t parent; /* an earlier group; 0 is the root */
    uint32_t site;   /* index into sites */
    uint32_t depth;
    bool is_outermost; /* no group of this site is above it */
};

struct page_graph {
    struct retain retain;
    uint64_t root_words[ROOT_KINDS];
    struct page_site *sites;
    uint32_t site_count;
    struct page_group *groups;
    uint32_t group_count;
};

void gci_graph_explain(struct page_graph *graph, const struct profile *profile, const struct page_names *names);
void gci_graph_forget(struct page_graph *graph);

#endif
