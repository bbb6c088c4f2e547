/* SPDX-License-Identifier: MIT */
/* Stacks merged from the outermost call inwards. Two stacks with the same names share their nodes; frames of gcalloc and of the C
 * library's wrappers around it are left out, unless a stack has no others. Node 0 is the root; a node's parent has a smaller
 * number, so sums go up in one pass from the end.
 */
#ifndef GCI_CLI_CALLS_H
#define GCI_CLI_CALLS_H

#include "cli/base/intern.h"
#include "cli/profile/profile.h"

#define CALLS_NO_FRAME UINT32_MAX
#define CALLS_UNKNOWN "[unknown]" /* the name of a stack without frames */

/* What tells nodes with one parent apart. */
struct call_label {
    uint32_t name;
    uint32_t file; /* in `names` too; CALLS_NO_FILE: not looked at, or not known */
    uint32_t line;
};
#define CALLS_NO_FILE UINT32_MAX

struct call_node {
    uint32_t parent;
    uint32_t label;
};

struct call_tree {
    const struct profile *profile;
    bool by_line;
    struct intern names;    /* texts */
    struct intern labels;   /* struct call_label */
    struct intern nodes;    /* struct call_node */
    uint32_t *label_frames; /* by label: the first frame that had it, or CALLS_NO_FRAME */
    uint32_t *frame_labels; /* by frame; UINT32_MAX: not asked for yet */
    uint32_t *stack_nodes;  /* by stack */
    uint32_t *frames;       /* room for one stack */
};

/* Whether frames of a function that differ in file or line are told apart: `by_line`. */
void gci_calls_build(struct call_tree *tree, const struct profile *profile, bool by_line);
void gci_calls_forget(struct call_tree *tree);

struct call_node gci_calls_node(const struct call_tree *tree, uint32_t node);
struct call_label gci_calls_label(const struct call_tree *tree, uint32_t label);
const char *gci_calls_name(const struct call_tree *tree, uint32_t label);
const char *gci_calls_file(const struct call_tree *tree, uint32_t label); /* NULL: unknown */

/* The frames of a stack that people see, innermost first, into `frames` (room for all of them); how many. */
uint32_t gci_calls_visible(const struct profile *profile, uint32_t stack, uint32_t *frames);

/* The most frames that any stack has. */
uint32_t gci_calls_deepest(const struct profile *profile);

#endif
