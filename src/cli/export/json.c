/* SPDX-License-Identifier: MIT */
/* Everything in the profile, under the names of base/profile_format.h. gcalloc-export(1) describes each key; who changes the
 * meaning of one, or takes one away, raises JSON_SCHEMA. Members of plain structs are listed in tables below; addresses are
 * text, for numbers of JSON are exact up to 2^53 only.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/export/formats.h"
#include "cli/print/escape.h"

#define JSON_SCHEMA 1

enum member_kind { MEMBER_NUMBER, MEMBER_NUMBER32, MEMBER_ADDRESS, MEMBER_FLAG32, MEMBER_WORD32, MEMBER_LIST };

struct member {
    const char *name; /* NULL: the end of the table */
    enum member_kind kind;
    size_t offset;
    const char *const *words; /* of MEMBER_WORD32, from 0 on, NULL at the end */
};

/* The formatter takes these braces for a block. */
// clang-format off
#define MEMBER(kind, of, member, words) {#member, kind, offsetof(struct of, member), words}
#define END_OF_MEMBERS {NULL, MEMBER_NUMBER, 0, NULL}
// clang-format on
#define NUMBER(of, member) MEMBER(MEMBER_NUMBER, of, member, NULL)
#define NUMBER32(of, member) MEMBER(MEMBER_NUMBER32, of, member, NULL)
#define ADDRESS(of, member) MEMBER(MEMBER_ADDRESS, of, member, NULL)
#define FLAG32(of, member) MEMBER(MEMBER_FLAG32, of, member, NULL)
#define WORD32(of, member, words) MEMBER(MEMBER_WORD32, of, member, words)
#define LIST(of, member) MEMBER(MEMBER_LIST, of, member, NULL) /* of PROFILE_LIFETIMES */

static const char *const levels[] = {"none", "sample", "site", "full", NULL};
static const char *const reasons[] = {"none", "timer", "peak", "dump", "exit", NULL};
static const char *const leak_kinds[] = {"none", "direct", "indirect", NULL};
static const char *const root_kinds[] = {"none",   "static", "stack", "register", "mapping",
                                         "kernel", "added",  "own",   NULL};
static const char *const object_flags[] = {"reachable", "atomic", "uncollectable", "counted", "frozen", NULL};

static const struct member usage_members[] = {NUMBER(profile_usage, time_ns),
                                              NUMBER(profile_usage, heap_bytes),
                                              NUMBER(profile_usage, resident_bytes),
                                              NUMBER(profile_usage, live_bytes),
                                              NUMBER(profile_usage, allocated_bytes),
                                              NUMBER(profile_usage, allocated_objects),
                                              END_OF_MEMBERS};
static const struct member cycle_members[] = {
    NUMBER(profile_cycle, time_ns),     NUMBER(profile_cycle, pause_ns),      NUMBER(profile_cycle, mark_ns),
    NUMBER(profile_cycle, sweep_ns),    NUMBER(profile_cycle, live_bytes),    NUMBER(profile_cycle, live_objects),
    NUMBER(profile_cycle, freed_bytes), NUMBER(profile_cycle, freed_objects), NUMBER(profile_cycle, heap_bytes),
    NUMBER32(profile_cycle, reason),    NUMBER32(profile_cycle, threads),     END_OF_MEMBERS};
static const struct member moment_members[] = {
    NUMBER(profile_moment, time_ns),    WORD32(profile_moment, reason, reasons), NUMBER(profile_moment, rate_bytes),
    NUMBER(profile_moment, live_bytes), NUMBER(profile_moment, live_objects),    END_OF_MEMBERS};
static const struct member figures_members[] = {NUMBER32(profile_figures, stack),
                                                NUMBER32(profile_figures, thread),
                                                NUMBER(profile_figures, samples),
                                                NUMBER(profile_figures, allocated_objects),
                                                NUMBER(profile_figures, allocated_bytes),
                                                NUMBER(profile_figures, freed_objects),
                                                NUMBER(profile_figures, freed_bytes),
                                                NUMBER(profile_figures, reclaimed_objects),
                                                NUMBER(profile_figures, reclaimed_bytes),
                                                NUMBER(profile_figures, live_objects),
                                                NUMBER(profile_figures, live_bytes),
                                                NUMBER(profile_figures, temporary_objects),
                                                LIST(profile_figures, lifetimes),
                                                LIST(profile_figures, ages),
                                                END_OF_MEMBERS};
static const struct member leak_members[] = {NUMBER32(profile_leak, stack),      WORD32(profile_leak, kind, leak_kinds),
                                             NUMBER(profile_leak, objects),      NUMBER(profile_leak, bytes),
                                             NUMBER(profile_leak, first_ns),     NUMBER(profile_leak, last_ns),
                                             ADDRESS(profile_leak, address),     NUMBER(profile_leak, time_ns),
                                             FLAG32(profile_leak, is_collected), END_OF_MEMBERS};
static const struct member object_members[] = {ADDRESS(profile_object, address), NUMBER(profile_object, bytes),
                                               NUMBER32(profile_object, stack), END_OF_MEMBERS};
static const struct member edge_members[] = {NUMBER32(profile_edge, from), NUMBER32(profile_edge, to),
                                             NUMBER32(profile_edge, offset), NUMBER32(profile_edge, to_offset),
                                             END_OF_MEMBERS};
static const struct member root_members[] = {ADDRESS(profile_root, address),    NUMBER32(profile_root, object),
                                             NUMBER32(profile_root, to_offset), WORD32(profile_root, kind, root_kinds),
                                             NUMBER32(profile_root, thread),    END_OF_MEMBERS};
static const struct member size_members[] = {NUMBER(profile_size, slot_bytes),      NUMBER(profile_size, blocks),
                                             NUMBER(profile_size, live_objects),    NUMBER(profile_size, live_bytes),
                                             NUMBER(profile_size, committed_bytes), END_OF_MEMBERS};
static const struct member end_members[] = {NUMBER(profile_end, time_ns), NUMBER(profile_end, peak_bytes),
                                            NUMBER(profile_end, peak_time_ns), NUMBER(profile_end, lost),
                                            END_OF_MEMBERS};

/* ---- Structs ---- */

static void print_word(FILE *stream, const char *const *words, uint32_t number)
{
    uint32_t known = 0;
    while (words[known])
        known++;
    if (number < known)
        fprintf(stream, "\"%s\"", words[number]);
    else /* of a newer version */
        fprintf(stream, "\"%" PRIu32 "\"", number);
}

static void print_list(FILE *stream, const char *at)
{
    char before = '[';
    for (size_t i = 0; i < PROFILE_LIFETIMES; i++) {
        uint64_t number;
        memcpy(&number, at + i * sizeof number, sizeof number);
        putc_unlocked(before, stream);
        gci_escape_number(stream, number);
        before = ',';
    }
    putc_unlocked(']', stream);
}

static void print_member(FILE *stream, const struct member *member, const char *at)
{
    uint64_t wide = 0;
    uint32_t narrow = 0;
    memcpy(&narrow, at, sizeof narrow);
    if (member->kind == MEMBER_NUMBER || member->kind == MEMBER_ADDRESS)
        memcpy(&wide, at, sizeof wide);
    switch (member->kind) {
    case MEMBER_NUMBER:
        gci_escape_number(stream, wide);
        break;
    case MEMBER_NUMBER32:
        gci_escape_number(stream, narrow);
        break;
    case MEMBER_ADDRESS:
        fprintf(stream, "\"0x%" PRIx64 "\"", wide);
        break;
    case MEMBER_FLAG32:
        fputs(narrow ? "true" : "false", stream);
        break;
    case MEMBER_WORD32:
        print_word(stream, member->words, narrow);
        break;
    case MEMBER_LIST:
        print_list(stream, at);
        break;
    }
}

/* Without the brace at the end. */
static void print_members(FILE *stream, const struct member *members, const void *of)
{
    for (const struct member *member = members; member->name; member++) {
        fputs(member == members ? "{\"" : ",\"", stream);
        fputs(member->name, stream);
        fputs("\":", stream);
        print_member(stream, member, (const char *)of + member->offset);
    }
}

static void print_array(FILE *stream, const char *name, const struct member *members, const void *array, size_t count,
                        size_t bytes)
{
    fprintf(stream, ",\n\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        fputs(i > 0 ? ",\n" : "\n", stream);
        print_members(stream, members, (const char *)array + i * bytes);
        putc_unlocked('}', stream);
    }
    putc_unlocked(']', stream);
}

/* ---- The parts that have names or lists in them ---- */

static void print_text_member(FILE *stream, const char *name, const char *text)
{
    fprintf(stream, "\"%s\":", name);
    gci_escape_json(stream, text);
}

static void print_texts(FILE *stream, const char *name, const char *const *texts, size_t count)
{
    fprintf(stream, ",\n\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        fputs(i > 0 ? "," : "", stream);
        gci_escape_json(stream, texts[i]);
    }
    putc_unlocked(']', stream);
}

static void print_head(const struct profile *profile, FILE *stream)
{
    const struct profile_header *header = &profile->header;
    char library[sizeof header->library + 1] = "";
    size_t words = 0;
    memcpy(library, header->library, sizeof header->library);
    fprintf(stream, "{\"schema\":%d,\n\"version\":%" PRIu32 ",", JSON_SCHEMA, header->version);
    print_text_member(stream, "library", library);
    fputs(",\n", stream);
    print_text_member(stream, "executable", profile->executable);
    while (profile->words && profile->words[words])
        words++;
    print_texts(stream, "words", profile->words, words);
    fprintf(stream, ",\n\"process\":%" PRIu32 ",\"level\":", header->process);
    print_word(stream, levels, header->level);
    fprintf(stream, ",\"rate_bytes\":%" PRIu64 ",\"start_realtime_ns\":%" PRIu64, header->rate_bytes,
            header->start_realtime_ns);
    fprintf(stream, ",\"duration_ns\":%" PRIu64 ",\"is_complete\":%s,\"knows_leaks\":%s", profile->duration_ns,
            profile->is_complete ? "true" : "false", profile->knows_leaks ? "true" : "false");
    fputs(",\n\"end\":", stream);
    if (profile->is_complete) {
        print_members(stream, end_members, &profile->end);
        putc_unlocked('}', stream);
    } else {
        fputs("null", stream);
    }
}

static void print_modules(const struct profile *profile, FILE *stream)
{
    fputs(",\n\"modules\":[", stream);
    for (size_t i = 0; i < profile->module_count; i++) {
        const struct profile_module *module = &profile->modules[i];
        fputs(i > 0 ? ",\n{" : "\n{", stream);
        print_text_member(stream, "path", module->path);
        fprintf(stream, ",\"start\":\"0x%" PRIx64 "\",\"end\":\"0x%" PRIx64 "\",\"file_offset\":%" PRIu64 ",",
                module->start, module->end, module->file_offset);
        print_text_member(stream, "build_id", module->build_id[0] ? module->build_id : NULL);
        putc_unlocked('}', stream);
    }
    putc_unlocked(']', stream);
}

static void print_frame(const struct profile_frame *frame, FILE *stream)
{
    putc_unlocked('{', stream);
    print_text_member(stream, "function", frame->function);
    putc_unlocked(',', stream);
    print_text_member(stream, "file", frame->file);
    fprintf(stream, ",\"line\":%" PRIu32 ",\"is_inlined\":%s,\"is_allocator\":%s,\"module\":", frame->line,
            frame->is_inlined ? "true" : "false", frame->is_allocator ? "true" : "false");
    if (frame->module == PROFILE_NO_MODULE)
        fputs("null", stream);
    else
        fprintf(stream, "%" PRIu32, frame->module);
    fprintf(stream, ",\"address\":\"0x%" PRIx64 "\",\"offset\":\"0x%" PRIx64 "\"}", frame->address, frame->offset);
}

static void print_frames(const struct profile *profile, FILE *stream)
{
    fputs(",\n\"frames\":[", stream);
    for (size_t i = 0; i < profile->frame_count; i++) {
        fputs(i > 0 ? ",\n" : "\n", stream);
        print_frame(&profile->frames[i], stream);
    }
    fputs("],\n\"stacks\":[", stream);
    for (size_t i = 0; i < profile->stack_count; i++) {
        fputs(i > 0 ? ",\n[" : "\n[", stream);
        for (uint32_t j = 0; j < profile->stacks[i].count; j++) {
            fputs(j > 0 ? "," : "", stream);
            gci_escape_number(stream, profile->stacks[i].frames[j]);
        }
        putc_unlocked(']', stream);
    }
    putc_unlocked(']', stream);
}

static void print_moments(const struct profile *profile, FILE *stream)
{
    fputs(",\n\"moments\":[", stream);
    for (size_t i = 0; i < profile->moment_count; i++) {
        const struct profile_moment_rows *moment = &profile->moments[i];
        fputs(i > 0 ? ",\n" : "\n", stream);
        print_members(stream, moment_members, &moment->moment);
        print_array(stream, "rows", figures_members, moment->rows, moment->count, sizeof *moment->rows);
        putc_unlocked('}', stream);
    }
    putc_unlocked(']', stream);
}

static void print_objects(const struct profile *profile, FILE *stream)
{
    fputs(",\n\"objects\":[", stream);
    for (size_t i = 0; i < profile->object_count; i++) {
        const char *before = "";
        fputs(i > 0 ? ",\n" : "\n", stream);
        print_members(stream, object_members, &profile->objects[i]);
        fputs(",\"flags\":[", stream);
        for (unsigned flag = 0; object_flags[flag]; flag++) {
            if (!(profile->objects[i].flags & 1u << flag))
                continue;
            fprintf(stream, "%s\"%s\"", before, object_flags[flag]);
            before = ",";
        }
        fputs("]}", stream);
    }
    putc_unlocked(']', stream);
}

void gci_json_write(const struct profile *profile, FILE *stream, const void *metric)
{
    (void)metric;
    print_head(profile, stream);
    print_modules(profile, stream);
    print_frames(profile, stream);
    print_texts(stream, "threads", profile->threads, profile->thread_count);
    print_array(stream, "usage", usage_members, profile->usage, profile->usage_count, sizeof *profile->usage);
    print_array(stream, "cycles", cycle_members, profile->cycles, profile->cycle_count, sizeof *profile->cycles);
    print_moments(profile, stream);
    print_array(stream, "leaks", leak_members, profile->leaks, profile->leak_count, sizeof *profile->leaks);
    print_array(stream, "sizes", size_members, profile->sizes, profile->size_count, sizeof *profile->sizes);
    print_objects(profile, stream);
    print_array(stream, "edges", edge_members, profile->edges, profile->edge_count, sizeof *profile->edges);
    print_array(stream, "roots", root_members, profile->roots, profile->root_count, sizeof *profile->roots);
    fputs("}\n", stream);
}
