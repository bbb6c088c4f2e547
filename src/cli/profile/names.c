/* SPDX-License-Identifier: MIT */
/* Each address is looked up once in each module that it was in, however many stacks it is in: new ones are gathered, sorted by
 * module and address, and handed to symbols.c a module at a time. Then each stack gets the frames of its addresses, one after
 * the other.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/profile/mapped.h"
#include "cli/profile/source.h"
#include "cli/symbols/symbols.h"

#define NO_FRAME UINT32_MAX

/* Modules that lie over each other were there one after the other: a stack was in the last one of those in front of it. So far
 * back that one is looked for, which is as many as the library tells apart. */
#define LOOK_BACK_MOST 1024u

/* ---- Addresses that have frames ---- */

/* Of an address in a module: whether it was not there yet, and has no frames. */
static bool note_address(struct profile_source *source, uint64_t address, uint32_t module, uint32_t *number)
{
    uint32_t count = source->placed.count;
    *number = gci_numbers_put(&source->placed, numbers_pair(module, gci_numbers_put(&source->addresses, address)));
    if (*number < count)
        return false;
    source->known = gci_memory_grow(source->known, &source->known_room, count + (size_t)1, sizeof *source->known);
    source->known[count] = (struct known_address){.first = NO_FRAME};
    return true;
}

static struct known_address *known_of(const struct profile_source *source, uint64_t address, uint32_t module)
{
    uint32_t number = gci_numbers_find(&source->addresses, address);
    return &source->known[gci_numbers_find(&source->placed, numbers_pair(module, number))];
}

static uint32_t module_of(const struct profile *profile, const struct mapped *mapped, const struct raw_stack *stack,
                          uint64_t call)
{
    uint32_t last = gci_mapped_find(mapped, call);
    if (last == PROFILE_NO_MODULE || last < stack->modules)
        return last;
    size_t least = stack->modules > LOOK_BACK_MOST ? stack->modules - LOOK_BACK_MOST : 0;
    for (size_t i = stack->modules; i > least; i--)
        if (call >= profile->modules[i - 1].start && call < profile->modules[i - 1].end)
            return (uint32_t)(i - 1);
    return last;
}

/* ---- Looking up ---- */

static int compare_lookups(const void *a, const void *b)
{
    const struct symbol_lookup *one = a, *other = b;
    if (one->module != other->module)
        return one->module < other->module ? -1 : 1;
    return one->address < other->address ? -1 : one->address > other->address;
}

/* Growing list of lookups. */
struct gathered {
    struct symbol_lookup *lookups;
    size_t count;
    size_t room;
};

static void gather_stack(struct profile *profile, struct raw_stack *stack, const struct mapped *mapped,
                         struct gathered *gathered)
{
    struct profile_source *source = profile->source;
    stack->known = gci_memory_pool_take(&source->pool, stack->depth * sizeof *stack->known);
    stack->known_count = 0;
    for (uint32_t k = 0; k < stack->depth; k++) {
        uint64_t call = stack->addresses[k] - 1;
        if (stack->addresses[k] == 0)
            continue;
        uint32_t module = module_of(profile, mapped, stack, call);
        if (!note_address(source, stack->addresses[k], module, &stack->known[stack->known_count++]))
            continue;
        gathered->lookups =
            gci_memory_grow(gathered->lookups, &gathered->room, gathered->count + 1, sizeof *gathered->lookups);
        gathered->lookups[gathered->count++] = (struct symbol_lookup){.address = call, .module = module};
    }
}

/* The addresses of new stacks that have no frames yet, sorted. */
static struct gathered gather(struct profile *profile)
{
    struct gathered gathered = {0};
    struct mapped mapped;
    gci_mapped_make(&mapped, profile);
    for (size_t i = 0; i < profile->stack_count; i++)
        if (profile->source->stacks[i].is_new)
            gather_stack(profile, &profile->source->stacks[i], &mapped, &gathered);
    gci_mapped_forget(&mapped);
    if (gathered.count > 0)
        qsort(gathered.lookups, gathered.count, sizeof *gathered.lookups, compare_lookups);
    return gathered;
}

/* "module+0x1234", or the address alone. */
static const char *name_by_offset(struct profile_source *source, const struct profile_module *module, uint64_t offset)
{
    char digits[24];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%s0x%" PRIx64, module ? "+" : "", offset);
    size_t name = module ? strlen(module->name) : 0;
    char *text = gci_memory_pool_take(&source->pool, name + length + 1);
    memcpy(text, module ? module->name : "", name);
    memcpy(text + name, digits, length + 1);
    return text;
}

/* Frames of one lookup: its own names, or one frame that says where in the module it is. */
static void add_frames(struct profile *profile, const struct symbol_lookup *lookup)
{
    struct profile_source *source = profile->source;
    const struct profile_module *module =
        lookup->module == PROFILE_NO_MODULE ? NULL : &profile->modules[lookup->module];
    uint32_t count = lookup->count > 0 ? lookup->count : 1;
    struct known_address *known = known_of(source, lookup->address + 1, lookup->module);
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
        if (!frame->function)
            frame->function = name_by_offset(source, module, frame->offset);
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
    for (uint32_t k = 0; k < stack->known_count; k++)
        count += source->known[stack->known[k]].count;
    return count;
}

static void build_stack(struct profile *profile, size_t number)
{
    struct profile_source *source = profile->source;
    struct raw_stack *stack = &source->stacks[number];
    size_t count = 0;
    uint32_t *frames = gci_memory_pool_take(&source->pool, count_frames(source, stack) * sizeof *frames);
    for (uint32_t k = 0; k < stack->known_count; k++) {
        const struct known_address *known = &source->known[stack->known[k]];
        for (uint32_t i = 0; i < known->count; i++)
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
    struct gathered new = gather(profile);
    struct profile_modules modules = gci_profile_modules(profile);
    if (new.count > 0 && !source->no_symbols)
        gci_symbols_find(&modules, &source->pool, new.lookups, new.count);
    for (size_t i = 0; i < new.count; i++)
        add_frames(profile, &new.lookups[i]);
    free(new.lookups);
    for (size_t i = 0; i < profile->stack_count; i++) {
        if (source->stacks[i].is_new)
            build_stack(profile, i);
    }
}
