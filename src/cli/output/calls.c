/* SPDX-License-Identifier: MIT */
#include "cli/output/calls.h"

#include <stdlib.h>
#include <string.h>

#include "cli/base/memory.h"

uint32_t gci_calls_visible(const struct profile *profile, uint32_t stack, uint32_t *frames)
{
    const struct profile_stack_frames *all = &profile->stacks[stack];
    uint32_t count = 0;
    for (uint32_t at = 0; (at = gci_profile_next_frame(profile, stack, at)) < all->count; at++)
        frames[count++] = all->frames[at];
    return count;
}

uint32_t gci_calls_deepest(const struct profile *profile)
{
    uint32_t deepest = 0;
    for (size_t i = 0; i < profile->stack_count; i++) {
        if (profile->stacks[i].count > deepest)
            deepest = profile->stacks[i].count;
    }
    return deepest;
}

static uint32_t put_label(struct call_tree *tree, struct call_label label, uint32_t frame)
{
    uint32_t known = tree->labels.count, number = gci_intern_put(&tree->labels, &label, sizeof label);
    if (number == known)
        tree->label_frames[number] = frame;
    return number;
}

static uint32_t label_of_frame(struct call_tree *tree, uint32_t number)
{
    if (tree->frame_labels[number] != UINT32_MAX)
        return tree->frame_labels[number];
    const struct profile_frame *frame = &tree->profile->frames[number];
    struct call_label label = {gci_intern_text(&tree->names, frame->function), CALLS_NO_FILE, 0};
    if (tree->by_line && frame->file) {
        label.file = gci_intern_text(&tree->names, frame->file);
        label.line = frame->line;
    }
    tree->frame_labels[number] = put_label(tree, label, number);
    return tree->frame_labels[number];
}

static uint32_t put_node(struct call_tree *tree, uint32_t parent, uint32_t label)
{
    return gci_intern_put(&tree->nodes, &(struct call_node){parent, label}, sizeof(struct call_node));
}

static uint32_t node_of_stack(struct call_tree *tree, uint32_t stack, uint32_t unknown)
{
    uint32_t node = 0, count = gci_calls_visible(tree->profile, stack, tree->frames);
    if (count == 0)
        return put_node(tree, 0, unknown);
    while (count-- > 0)
        node = put_node(tree, node, label_of_frame(tree, tree->frames[count]));
    return node;
}

void gci_calls_build(struct call_tree *tree, const struct profile *profile, bool by_line)
{
    *tree = (struct call_tree){.profile = profile, .by_line = by_line};
    tree->label_frames = gci_memory_take(profile->frame_count + 1, sizeof(uint32_t)); /* one more: of the unknown */
    tree->frame_labels = gci_memory_take(profile->frame_count, sizeof(uint32_t));
    tree->stack_nodes = gci_memory_take(profile->stack_count, sizeof(uint32_t));
    tree->frames = gci_memory_take(gci_calls_deepest(profile), sizeof(uint32_t));
    memset(tree->frame_labels, 0xff, profile->frame_count * sizeof(uint32_t));
    struct call_label unknown = {gci_intern_text(&tree->names, CALLS_UNKNOWN), CALLS_NO_FILE, 0};
    uint32_t label = put_label(tree, unknown, CALLS_NO_FRAME);
    put_node(tree, UINT32_MAX, UINT32_MAX); /* the root */
    for (size_t i = 0; i < profile->stack_count; i++)
        tree->stack_nodes[i] = node_of_stack(tree, (uint32_t)i, label);
}

void gci_calls_forget(struct call_tree *tree)
{
    gci_intern_forget(&tree->names);
    gci_intern_forget(&tree->labels);
    gci_intern_forget(&tree->nodes);
    free(tree->label_frames);
    free(tree->frame_labels);
    free(tree->stack_nodes);
    free(tree->frames);
}

struct call_node gci_calls_node(const struct call_tree *tree, uint32_t node)
{
    struct call_node found;
    memcpy(&found, gci_intern_key(&tree->nodes, node), sizeof found);
    return found;
}

struct call_label gci_calls_label(const struct call_tree *tree, uint32_t label)
{
    struct call_label found;
    memcpy(&found, gci_intern_key(&tree->labels, label), sizeof found);
    return found;
}

const char *gci_calls_name(const struct call_tree *tree, uint32_t label)
{
    return gci_intern_key(&tree->names, gci_calls_label(tree, label).name);
}

const char *gci_calls_file(const struct call_tree *tree, uint32_t label)
{
    uint32_t file = gci_calls_label(tree, label).file;
    return file == CALLS_NO_FILE ? NULL : gci_intern_key(&tree->names, file);
}
