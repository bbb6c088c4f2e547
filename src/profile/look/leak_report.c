/* SPDX-License-Identifier: MIT */
/* Implementation of profile/look/leak_report.h. */
#include "profile/look/leak_report.h"

#include <string.h>

#include "base/bits.h"
#include "base/profile_format.h"
#include "base/text.h"
#include "platform/env.h"
#include "platform/image.h"
#include "platform/thread.h"
#include "platform/vm.h"
#include "profile/look/origin.h"

/* ---- Modules ------------------------------------------------------------------------------------------------------ */

struct code {
    struct range range;
    uint64_t file_offset;
    const char *path;
};

/* What is mapped as code, read once for a report: one piece of memory, with the modules in front and their paths, the last one
 * first, at the end. Without memory for it frames are bare addresses. */
struct modules {
    struct code *codes;
    size_t count;
    char *paths;
    size_t bytes;
};

static bool is_module(const struct mapping *mapping)
{
    return mapping->is_code && mapping->is_file;
}

static void measure_code(const struct mapping *mapping, void *data)
{
    struct modules *modules = data;
    modules->bytes += is_module(mapping) ? sizeof(struct code) + strlen(mapping->path) + 1 : 0;
}

/* What other threads have opened since it was measured may find no room. */
static void note_code(const struct mapping *mapping, void *data)
{
    struct modules *modules = data;
    size_t length = strlen(mapping->path) + 1;
    struct code *code = &modules->codes[modules->count];
    if (!is_module(mapping) || (size_t)(modules->paths - (char *)code) < sizeof *code + length)
        return;
    modules->paths -= length;
    memcpy(modules->paths, mapping->path, length);
    *code = (struct code){.range = mapping->range, .file_offset = mapping->file_offset, .path = modules->paths};
    modules->count++;
}

static void read_modules(struct modules *modules)
{
    *modules = (struct modules){0};
    gci_image_each(measure_code, modules);
    modules->codes = gci_vm_map(modules->bytes);
    if (modules->codes == NULL)
        return;
    modules->paths = (char *)modules->codes + modules->bytes;
    gci_image_each(note_code, modules);
}

/* ---- Lines -------------------------------------------------------------------------------------------------------- */

#define OFFSET_BYTES 24 /* of "+0x..." behind a path, and the end of the line */

struct report {
    int file;
    bool is_whole; /* every line was written */
    const struct modules *modules;
    unsigned frames; /* of the stack in hand */
};

static void write_bytes(struct report *report, const char *bytes, size_t count)
{
    report->is_whole = gci_env_write(report->file, bytes, count) && report->is_whole;
}

static void write_line(struct report *report, struct text *line)
{
    gci_text_add(line, "\n");
    write_bytes(report, line->bytes, line->length);
}

/* A path may be longer than a text can be: what goes in front of it is then written first. */
static void add_path(struct report *report, struct text *line, const char *path)
{
    size_t length = strlen(path);
    if (length < TEXT_BYTES - line->length - OFFSET_BYTES) {
        gci_text_add(line, path);
        return;
    }
    write_bytes(report, line->bytes, line->length);
    write_bytes(report, path, length);
    gci_text_init(line);
}

static void add_sum(struct text *line, uint64_t bytes, uint64_t objects)
{
    gci_text_add_decimal(line, bytes);
    gci_text_add(line, " byte(s) in ");
    gci_text_add_decimal(line, objects);
    gci_text_add(line, " object(s)");
}

static void add_place(struct report *report, struct text *line, uintptr_t call)
{
    for (size_t i = 0; i < report->modules->count; i++) {
        const struct code *code = &report->modules->codes[i];
        if (!range_contains(code->range, call))
            continue;
        gci_text_add(line, " ");
        add_path(report, line, code->path);
        gci_text_add(line, "+");
        gci_text_add_address(line, call - code->range.lo + code->file_offset);
        return;
    }
    gci_text_add(line, " (no file)");
}

/* The call is the instruction before the return address. */
static void write_frame(uintptr_t address, void *data)
{
    struct report *report = data;
    struct text line;
    gci_text_init(&line);
    gci_text_add(&line, "    #");
    gci_text_add_decimal(&line, report->frames++);
    gci_text_add(&line, " ");
    gci_text_add_address(&line, address - 1);
    add_place(report, &line, address - 1);
    write_line(report, &line);
}

static void write_group(struct report *report, const struct leak_group *group)
{
    struct text line;
    gci_text_init(&line);
    gci_text_add(&line, group->kind == PROFILE_LEAK_DIRECT ? "\nDirect leak of " : "\nIndirect leak of ");
    add_sum(&line, group->bytes, group->objects);
    gci_text_add(&line, " allocated from:");
    write_line(report, &line);
    report->frames = 0;
    gci_origin_each_frame(group->stack, write_frame, report);
    if (report->frames != 0)
        return;
    gci_text_init(&line);
    gci_text_add(&line, "    (unknown: not sampled; one is at ");
    gci_text_add_address(&line, ~group->hidden);
    gci_text_add(&line, ")");
    write_line(report, &line);
}

static void write_totals(struct report *report, const struct leak_groups *found)
{
    struct leak_sum all = gci_leak_groups_sum(found, 0);
    struct leak_sum direct = gci_leak_groups_sum(found, PROFILE_LEAK_DIRECT);
    struct text line;
    gci_text_init(&line);
    gci_text_add(&line, "==");
    gci_text_add_decimal(&line, gci_process_id());
    gci_text_add(&line, "== gcalloc: ");
    gci_text_add(&line, gci_env_program());
    if (all.objects == 0) {
        gci_text_add(&line, " has leaked nothing");
    } else {
        gci_text_add(&line, " has leaked ");
        add_sum(&line, all.bytes, all.objects);
        gci_text_add(&line, ", directly ");
        add_sum(&line, direct.bytes, direct.objects);
    }
    write_line(report, &line);
}

bool gci_leak_report_write(int file, const struct leak_groups *found)
{
    struct modules modules;
    struct report report = {.file = file, .is_whole = true, .modules = &modules};
    read_modules(&modules);
    write_totals(&report, found);
    for (size_t i = 0; i < found->count; i++)
        write_group(&report, &found->groups[i]);
    gci_vm_unmap(modules.codes, modules.bytes);
    return report.is_whole;
}
