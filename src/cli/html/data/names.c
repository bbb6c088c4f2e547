/* SPDX-License-Identifier: MIT */
#include "cli/html/data/names.h"

#include <stdlib.h>
#include <string.h>

#include "cli/base/hash.h"
#include "cli/base/memory.h"

#define FIRST_TEXTS 1024U /* a power of two */

/* ---- Texts ---- */

/* The slot of this text, or the empty one where it belongs. */
static uint32_t *slot_of(const struct page_names *names, const char *text)
{
    uint32_t mask = names->text_space * 2 - 1, at = (uint32_t)gci_hash_text(0, text) & mask;
    while (names->slots[at] != 0 && strcmp(names->texts[names->slots[at] - 1], text) != 0)
        at = (at + 1) & mask;
    return &names->slots[at];
}

static void grow_texts(struct page_names *names)
{
    size_t room = names->text_space;
    names->text_space = names->text_space == 0 ? FIRST_TEXTS : names->text_space * 2;
    names->texts = gci_memory_grow(names->texts, &room, names->text_space, sizeof *names->texts);
    free(names->slots);
    names->slots = gci_memory_take((size_t)names->text_space * 2, sizeof *names->slots);
    for (uint32_t i = 0; i < names->text_count; i++)
        *slot_of(names, names->texts[i]) = i + 1;
}

static uint32_t number_text(struct page_names *names, const char *text)
{
    if (names->text_count == names->text_space)
        grow_texts(names);
    uint32_t *slot = slot_of(names, text ? text : "");
    if (*slot == 0) {
        names->texts[names->text_count++] = text ? text : "";
        *slot = names->text_count;
    }
    return *slot - 1;
}

/* ---- Frames ---- */

/* What is worked with while stacks get their places. */
struct gathering {
    const struct profile *profile;
    struct page_names *names;
    uint32_t *frames; /* the page's number by the profile's; PAGE_NONE: not referred to */
    uint32_t *order;  /* stacks referred to, by their paths */
    uint32_t order_count;
    size_t room; /* of the tree's nodes */
};

static const struct profile_stack_frames *stack_at(const struct gathering *gathering, uint32_t stack)
{
    return &gathering->profile->stacks[stack];
}

/* Frames are numbered for now by themselves; equal ones are made one later. */
static void number_frame(struct gathering *gathering, uint32_t frame)
{
    const struct profile *profile = gathering->profile;
    const struct profile_frame *from = &profile->frames[frame];
    struct page_names *names = gathering->names;
    if (gathering->frames[frame] != PAGE_NONE)
        return;
    names->frames[names->frame_count] = (struct page_frame){
        .function = number_text(names, from->function),
        .file = number_text(names, from->file),
        .module = number_text(names, from->module != PROFILE_NO_MODULE ? profile->modules[from->module].name : ""),
        .line = from->line,
        .flags = (from->is_allocator ? PAGE_FRAME_ALLOCATOR : 0U) | (from->is_inlined ? PAGE_FRAME_INLINED : 0U),
    };
    gathering->frames[frame] = names->frame_count++;
}

static void number_frames(struct gathering *gathering)
{
    struct page_names *names = gathering->names;
    size_t count = gathering->profile->frame_count;
    names->frames = gci_memory_take(count + 1, sizeof *names->frames);
    gathering->frames = gci_memory_take(count, sizeof *gathering->frames);
    names->frames[0].file = names->frames[0].module = number_text(names, "");
    names->frames[0].function = number_text(names, "[unknown]");
    names->frames[0].flags = PAGE_FRAME_UNKNOWN;
    names->frame_count = 1;
    for (size_t i = 0; i < count; i++)
        gathering->frames[i] = PAGE_NONE;
    for (uint32_t i = 0; i < gathering->order_count; i++) {
        const struct profile_stack_frames *stack = stack_at(gathering, gathering->order[i]);
        for (uint32_t j = 0; j < stack->count; j++)
            number_frame(gathering, stack->frames[j]);
    }
}

static int compare_frames(const void *left, const void *right, void *context)
{
    const struct page_frame *frames = context;
    return memcmp(&frames[*(const uint32_t *)left], &frames[*(const uint32_t *)right], sizeof *frames);
}

/* Several addresses of one line are one frame: `numbers` and `merged` are by the numbers so far. */
static void merge_sorted(struct page_names *names, const uint32_t *numbers, uint32_t *merged, struct page_frame *kept)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < names->frame_count; i++) {
        const struct page_frame *frame = &names->frames[numbers[i]];
        if (count == 0 || memcmp(&kept[count - 1], frame, sizeof *frame) != 0)
            kept[count++] = *frame;
        merged[numbers[i]] = count - 1;
    }
    names->frame_count = count;
}

static void merge_frames(struct gathering *gathering)
{
    struct page_names *names = gathering->names;
    uint32_t count = names->frame_count;
    uint32_t *numbers = gci_memory_take(count, sizeof *numbers), *merged = gci_memory_take(count, sizeof *merged);
    struct page_frame *kept = gci_memory_take(count, sizeof *kept);
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = i;
    qsort_r(numbers + 1, count - 1, sizeof *numbers, compare_frames, names->frames); /* frame 0 stays the first */
    merge_sorted(names, numbers, merged, kept);
    for (size_t i = 0; i < gathering->profile->frame_count; i++) {
        if (gathering->frames[i] != PAGE_NONE)
            gathering->frames[i] = merged[gathering->frames[i]];
    }
    free(names->frames);
    names->frames = kept;
    free(numbers);
    free(merged);
}

/* ---- Stacks ---- */

static void use_stack(struct page_names *names, uint32_t stack)
{
    names->node_of_stack[stack] = 0;
}

static void use_stacks(struct page_names *names, const struct profile *profile)
{
    use_stack(names, 0);
    for (size_t i = 0; i < profile->moment_count; i++) {
        for (size_t j = 0; j < profile->moments[i].count; j++)
            use_stack(names, profile->moments[i].rows[j].stack);
    }
    for (size_t i = 0; i < profile->leak_count; i++)
        use_stack(names, profile->leaks[i].stack);
    for (size_t i = 0; i < profile->object_count; i++)
        use_stack(names, profile->objects[i].stack);
}

static void list_stacks(struct gathering *gathering)
{
    struct page_names *names = gathering->names;
    size_t count = gathering->profile->stack_count;
    names->node_of_stack = gci_memory_take(count, sizeof *names->node_of_stack);
    gathering->order = gci_memory_take(count, sizeof *gathering->order);
    for (size_t i = 0; i < count; i++)
        names->node_of_stack[i] = PAGE_NONE;
    use_stacks(names, gathering->profile);
    for (uint32_t i = 0; i < count; i++) {
        if (names->node_of_stack[i] != PAGE_NONE)
            gathering->order[gathering->order_count++] = i;
    }
}

static uint32_t depth_of(const struct profile_stack_frames *stack)
{
    return stack->count > 0 ? stack->count : 1;
}

/* The page's frame, counted from the outermost. */
static uint32_t frame_at(const struct gathering *gathering, const struct profile_stack_frames *stack, uint32_t depth)
{
    return stack->count > 0 ? gathering->frames[stack->frames[stack->count - 1 - depth]] : 0;
}

static int compare_stacks(const void *left, const void *right, void *context)
{
    const struct gathering *gathering = context;
    const struct profile_stack_frames *a = stack_at(gathering, *(const uint32_t *)left);
    const struct profile_stack_frames *b = stack_at(gathering, *(const uint32_t *)right);
    for (uint32_t i = 0; i < depth_of(a) && i < depth_of(b); i++) {
        uint32_t one = frame_at(gathering, a, i), other = frame_at(gathering, b, i);
        if (one != other)
            return one < other ? -1 : 1;
    }
    return depth_of(a) < depth_of(b) ? -1 : depth_of(a) > depth_of(b);
}

/* Appends what of this stack is not the path already, which the last node ends. */
static void add_stack(struct gathering *gathering, uint32_t number, uint32_t *path, uint32_t *path_depth)
{
    struct page_names *names = gathering->names;
    const struct profile_stack_frames *stack = stack_at(gathering, number);
    uint32_t depth = 0;
    while (depth < *path_depth && depth < depth_of(stack) &&
           names->nodes[path[depth]].frame == frame_at(gathering, stack, depth))
        depth++;
    names->nodes = gci_memory_grow(names->nodes, &gathering->room, names->node_count + (size_t)depth_of(stack),
                                   sizeof *names->nodes);
    for (; depth < depth_of(stack); depth++) {
        path[depth] = names->node_count;
        names->nodes[names->node_count++] = (struct page_node){depth + 1, frame_at(gathering, stack, depth)};
    }
    *path_depth = depth;
    names->node_of_stack[number] = path[depth - 1];
}

static void plant_tree(struct gathering *gathering)
{
    struct page_names *names = gathering->names;
    uint32_t deepest = 1, path_depth = 0;
    for (uint32_t i = 0; i < gathering->order_count; i++) {
        uint32_t depth = depth_of(stack_at(gathering, gathering->order[i]));
        deepest = depth > deepest ? depth : deepest;
    }
    uint32_t *path = gci_memory_take(deepest, sizeof *path);
    names->nodes = gci_memory_grow(NULL, &gathering->room, 1, sizeof *names->nodes);
    names->nodes[0] = (struct page_node){0, 0};
    names->node_count = 1;
    qsort_r(gathering->order, gathering->order_count, sizeof *gathering->order, compare_stacks, gathering);
    for (uint32_t i = 0; i < gathering->order_count; i++)
        add_stack(gathering, gathering->order[i], path, &path_depth);
    free(path);
}

void gci_names_gather(struct page_names *names, const struct profile *profile)
{
    struct gathering gathering = {.profile = profile, .names = names};
    *names = (struct page_names){0};
    list_stacks(&gathering);
    number_frames(&gathering);
    merge_frames(&gathering);
    plant_tree(&gathering);
    free(gathering.frames);
    free(gathering.order);
}

void gci_names_forget(struct page_names *names)
{
    free(names->texts);
    free(names->slots);
    free(names->frames);
    free(names->nodes);
    free(names->node_of_stack);
}
