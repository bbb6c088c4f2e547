/* SPDX-License-Identifier: MIT */
/* Each address is looked up once, however many stacks it is in: new ones are gathered in a table by hash, sorted by module and
 * address, and handed to symbols.c a module at a time. Then each stack gets the frames of its addresses, one after the other.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/profile/source.h"
#include "cli/symbols/symbols.h"

#define FIRST_KNOWN 1024
#define NO_FRAME UINT32_MAX

/* ---- The table of addresses ---- */

static size_t slot_of(const struct profile_source *source, uint64_t address)
{
    size_t mask = source->known_room - 1, at = (size_t)((address * 0x9e3779b97f4a7c15u) >> 20) & mask;
    while (source->known[at].address != 0 && source->known[at].address != address)
        at = (at + 1) & mask;
    return at;
}

static void make_room(struct profile_source *source)
{
    struct known_address *before = source->known;
    size_t room = source->known_room;
    if ((source->known_count + 1) * 2 <= room)
        return;
    source->known_room = room > 0 ? room * 2 : FIRST_KNOWN;
    source->known = gci_memory_take(source->known_room, sizeof *source->known);
    for (size_t i = 0; i < room; i++) {
        if (before[i].address != 0)
            source->known[slot_of(source, before[i].address)] = before[i];
    }
    free(before);
}

/* True: it was not there yet, and has no frames. */
static bool note_address(struct profile_source *source, uint64_t address)
{
    make_room(source);
    struct known_address *known = &source->known[slot_of(source, address)];
    if (known->address != 0 || address == 0)
        return false;
    *known = (struct known_address){.address = address, .first = NO_FRAME};
    source->known_count++;
    return true;
}

/* ---- Looking up ---- */

/* A range of addresses may have had several modules in turn: the last one is taken. */
static uint32_t module_of(const struct profile *profile, uint64_t address)
{
    for (size_t i = profile->module_count; i > 0; i--) {
        if (address >= profile->modules[i - 1].start && address < profile->modules[i - 1].end)
            return (uint32_t)(i - 1);
    }
    return PROFILE_NO_MODULE;
}

static int compare_lookups(const void *a, const void *b)
{
    const struct symbol_lookup *one = a, *other = b;
    if (one->module != other->module)
        return one->module < other->module ? -1 : 1;
    return one->address < other->address ? -1 : one->address > other->address;
}

/* The addresses of new stacks that have no frames yet, sorted. */
static struct symbol_lookup *gather(struct profile *profile, size_t *count)
{
    struct profile_source *source = profile->source;
    struct symbol_lookup *lookups = NULL;
    size_t room = 0;
    for (size_t i = 0; i < profile->stack_count; i++) {
        const struct raw_stack *stack = &source->stacks[i];
        for (uint32_t k = 0; stack->is_new && k < stack->depth; k++) {
            if (!note_address(source, stack->addresses[k]))
                continue;
            lookups = gci_memory_grow(lookups, &room, *count + 1, sizeof *lookups);
            uint64_t call = stack->addresses[k] - 1;
            lookups[(*count)++] = (struct symbol_lookup){.address = call, .module = module_of(profile, call)};
        }
    }
    if (*count > 0)
        qsort(lookups, *count, sizeof *lookups, compare_lookups);
    return lookups;
}

/* Frames of one lookup: its own names, or one frame that says where in the module it is. */
static void add_frames(struct profile *profile, const struct symbol_lookup *lookup)
{
    struct profile_source *source = profile->source;
    const struct profile_module *module =
        lookup->module == PROFILE_NO_MODULE ? NULL : &profile->modules[lookup->module];
    uint32_t count = lookup->count > 0 ? lookup->count : 1;
    struct known_address *known = &source->known[slot_of(source, lookup->address + 1)];
    known->first = (uint32_t)profile->frame_count;
    known->count = count;
    profile->frames =
        gci_memory_grow(profile->frames, &source->frame_room, profile->frame_count + count, sizeof *profile->frames);
    for (uint32_t i = 0; i < count; i++) {
        struct profile_frame *frame = &profile->frames[profile->frame_count++];
        *frame = lookup->count > 0 ? lookup->frames[i] : (struct profile_frame){0};
        frame->module = lookup->module;
        frame->address = lookup->address + 1;
        frame->offset = module ? lookup->address - module->start + module->file_offset : lookup->address;
        if (!frame->function) {
            char text[64];
            int length = snprintf(text, sizeof text, "+0x%" PRIx64, frame->offset);
            size_t name = module ? strlen(module->name) : 0;
            char *function = gci_memory_pool_take(&source->pool, name + (size_t)length + 1);
            if (module)
                memcpy(function, module->name, name);
            memcpy(function + name, module ? text : text + 1, (size_t)length + (module ? 1 : 0));
            frame->function = function;
        }
        frame->is_allocator =
            gci_symbols_is_allocator(frame->has_name ? frame->function : "", module ? module->name : "");
    }
}

/* ---- Stacks ---- */

static uint32_t add_place(struct profile *profile, const struct raw_stack *stack)
{
    struct profile_source *source = profile->source;
    profile->frames =
        gci_memory_grow(profile->frames, &source->frame_room, profile->frame_count + 1, sizeof *profile->frames);
    profile->frames[profile->frame_count] = (struct profile_frame){
        .function = stack->function[0] ? stack->function : stack->file,
        .file = stack->file[0] ? stack->file : NULL,
        .line = stack->line,
        .has_name = stack->function[0] != '\0',
        .module = PROFILE_NO_MODULE,
    };
    return (uint32_t)profile->frame_count++;
}

/* How many frames in front of the caller's the addresses have: those of the allocator, and with a place the caller's own,
 * which the place says better. */
static size_t covered_by_place(const struct profile *profile, const uint32_t *frames, size_t count,
                               const struct raw_stack *stack)
{
    size_t at = 0;
    while (at < count && profile->frames[frames[at]].is_allocator)
        at++;
    return at < count && strcmp(profile->frames[frames[at]].function, stack->function) == 0 ? at + 1 : at;
}

static size_t count_frames(const struct profile_source *source, const struct raw_stack *stack)
{
    size_t count = stack->file ? 1 : 0;
    for (uint32_t k = 0; k < stack->depth; k++)
        count += stack->addresses[k] != 0 ? source->known[slot_of(source, stack->addresses[k])].count : 0;
    return count;
}

static void build_stack(struct profile *profile, size_t number)
{
    struct profile_source *source = profile->source;
    struct raw_stack *stack = &source->stacks[number];
    size_t count = 0;
    uint32_t *frames = gci_memory_pool_take(&source->pool, count_frames(source, stack) * sizeof *frames);
    for (uint32_t k = 0; k < stack->depth; k++) {
        const struct known_address *known = &source->known[slot_of(source, stack->addresses[k])];
        for (uint32_t i = 0; stack->addresses[k] != 0 && i < known->count; i++)
            frames[count++] = known->first + i;
    }
    if (stack->file) {
        size_t covered = covered_by_place(profile, frames, count, stack);
        memmove(frames + 1, frames + covered, (count - covered) * sizeof *frames);
        frames[0] = add_place(profile, stack);
        count = count - covered + 1;
    }
    profile->stacks[number] = (struct profile_stack_frames){.frames = frames, .count = (uint32_t)count};
    stack->is_new = false;
}

void gci_names_find(struct profile *profile)
{
    struct profile_source *source = profile->source;
    size_t count = 0;
    struct symbol_lookup *lookups = gather(profile, &count);
    if (count > 0 && !source->no_symbols)
        gci_symbols_find(profile, &source->pool, lookups, count);
    for (size_t i = 0; i < count; i++)
        add_frames(profile, &lookups[i]);
    free(lookups);
    for (size_t i = 0; i < profile->stack_count; i++) {
        if (source->stacks[i].is_new)
            build_stack(profile, i);
    }
}
