/* SPDX-License-Identifier: MIT */
/* What the page numbers anew: the texts, frames and stacks that something in the profile refers to, each once.
 *
 * Stacks are a tree, from the outermost call inwards, its nodes in the order in which a walk from the root meets them: the
 * depth and frame of each node say all. Text 0 is "", frame 0 the unknown one, node 0 the root. Numbers of stacks that nothing
 * refers to are PAGE_NONE; stacks without frames are the unknown one's.
 */
#ifndef GCI_CLI_HTML_DATA_NAMES_H
#define GCI_CLI_HTML_DATA_NAMES_H

#include "cli/profile/profile.h"

#define PAGE_NONE UINT32_MAX

enum page_frame_flags { PAGE_FRAME_ALLOCATOR = 1, PAGE_FRAME_INLINED = 2, PAGE_FRAME_UNKNOWN = 4 };

struct page_frame {
    uint32_t function, file, module; /* texts */
    uint32_t line;
    uint32_t flags;
};

struct page_node {
    uint32_t depth;
    uint32_t frame;
};

struct page_names {
    const char **texts;
    uint32_t text_count, text_space;
    uint32_t *slots; /* of the texts' hash table: number + 1, a power of two of them, twice text_space */
    struct page_frame *frames;
    uint32_t frame_count;
    struct page_node *nodes;
    uint32_t node_count;
    uint32_t *node_of_stack; /* by the profile's number; PAGE_NONE: not referred to */
};

/* The texts stay the profile's. */
void gci_names_gather(struct page_names *names, const struct profile *profile);
void gci_names_forget(struct page_names *names);

#endif
