/* SPDX-License-Identifier: MIT */
/* github.com/google/pprof/proto/profile.proto. The sample types are the same in every profile, so that two of them can be
 * subtracted; those of Go's heap profiles come last, since many readers know no others and show the last one.
 *
 * Leaks, the peak and the last moment are samples of their own, all with the stack's locations; readers add them up. Values are
 * unbiased already. Addresses are those of calls, one byte before the return address. What has no name has a location without
 * lines: with the mapping's build id a reader may find the name itself.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/base/intern.h"
#include "cli/base/memory.h"
#include "cli/export/formats.h"
#include "cli/export/protobuf.h"
#include "cli/output/calls.h"
#include "cli/print/escape.h"

/* Numbers of fields. */
enum pprof_field {
    PPROF_SAMPLE_TYPE = 1,
    PPROF_SAMPLE = 2,
    PPROF_MAPPING = 3,
    PPROF_LOCATION = 4,
    PPROF_FUNCTION = 5,
    PPROF_STRING_TABLE = 6,
    PPROF_TIME_NANOS = 9,
    PPROF_DURATION_NANOS = 10,
    PPROF_PERIOD_TYPE = 11,
    PPROF_PERIOD = 12,
    PPROF_COMMENT = 13,
    PPROF_DEFAULT_SAMPLE_TYPE = 14
};
enum value_type_field { VALUE_TYPE_TYPE = 1, VALUE_TYPE_UNIT = 2 };
enum sample_field { SAMPLE_LOCATION_ID = 1, SAMPLE_VALUE = 2, SAMPLE_LABEL = 3 };
enum label_field { LABEL_KEY = 1, LABEL_STR = 2 };
enum mapping_field {
    MAPPING_ID = 1,
    MAPPING_START = 2,
    MAPPING_LIMIT = 3,
    MAPPING_OFFSET = 4,
    MAPPING_FILENAME = 5,
    MAPPING_BUILD_ID = 6,
    MAPPING_HAS_FUNCTIONS = 7,
    MAPPING_HAS_FILENAMES = 8,
    MAPPING_HAS_LINE_NUMBERS = 9,
    MAPPING_HAS_INLINE_FRAMES = 10
};
enum location_field { LOCATION_ID = 1, LOCATION_MAPPING_ID = 2, LOCATION_ADDRESS = 3, LOCATION_LINE = 4 };
enum line_field { LINE_FUNCTION_ID = 1, LINE_LINE = 2 };
enum function_field { FUNCTION_ID = 1, FUNCTION_NAME = 2, FUNCTION_SYSTEM_NAME = 3, FUNCTION_FILENAME = 4 };

/* Ids of locations, functions and mappings begin at 1. */
struct function_key {
    uint32_t name, file;
};

/* What symbols every frame of a module had. */
struct symbols {
    bool lacks_function, lacks_file, lacks_line;
};

struct pprof {
    const struct profile *profile;
    struct gzip gzip;
    struct intern strings, functions, locations;
    uint32_t *functions_of_frames; /* ids; 0: none, or not asked for yet */
    struct symbols *symbols;       /* by module */
    uint32_t *frames;              /* room for one stack */
    uint64_t *ids;                 /* of the locations of one stack */
    uint64_t *key;                 /* of one location: address, module, then function and line of each frame */
    struct message outer, sample, location, inner, line;
};

static uint64_t string_of(struct pprof *all, const char *text)
{
    return gci_intern_text(&all->strings, text ? text : "");
}

static void write_message(struct pprof *all, unsigned field, struct message *message)
{
    gci_message_add(&all->outer, field, message);
    gci_gzip_put(&all->gzip, &all->outer);
}

static void write_value_type(struct pprof *all, unsigned field, const char *type, const char *unit)
{
    gci_message_number(&all->inner, VALUE_TYPE_TYPE, string_of(all, type));
    gci_message_number(&all->inner, VALUE_TYPE_UNIT, string_of(all, unit));
    write_message(all, field, &all->inner);
}

/* ---- Functions and locations, written when they first come ---- */

static uint32_t function_of(struct pprof *all, const char *name, const char *file)
{
    struct function_key key = {(uint32_t)string_of(all, name), (uint32_t)string_of(all, file)};
    uint32_t known = all->functions.count, id = gci_intern_put(&all->functions, &key, sizeof key) + 1;
    if (id != known + 1)
        return id;
    gci_message_number(&all->inner, FUNCTION_ID, id);
    gci_message_number(&all->inner, FUNCTION_NAME, key.name);
    gci_message_number(&all->inner, FUNCTION_SYSTEM_NAME, key.name);
    gci_message_number(&all->inner, FUNCTION_FILENAME, key.file);
    write_message(all, PPROF_FUNCTION, &all->inner);
    return id;
}

/* 0: the frame has no name. */
static uint32_t function_of_frame(struct pprof *all, uint32_t number)
{
    const struct profile_frame *frame = &all->profile->frames[number];
    uint32_t *id = &all->functions_of_frames[number];
    if (*id == 0 && frame->has_name)
        *id = function_of(all, frame->function, frame->file);
    return *id;
}

static void add_line(struct pprof *all, uint64_t function, uint32_t number)
{
    gci_message_number(&all->line, LINE_FUNCTION_ID, function);
    gci_message_number(&all->line, LINE_LINE, number);
    gci_message_add(&all->location, LOCATION_LINE, &all->line);
}

static void note_symbols(struct pprof *all, const struct profile_frame *frame)
{
    if (frame->module >= all->profile->module_count)
        return;
    struct symbols *symbols = &all->symbols[frame->module];
    symbols->lacks_function = symbols->lacks_function || !frame->has_name;
    symbols->lacks_file = symbols->lacks_file || !frame->file;
    symbols->lacks_line = symbols->lacks_line || frame->line == 0;
}

static void write_location(struct pprof *all, uint32_t id, const uint32_t *frames, uint32_t count)
{
    const struct profile_frame *frame = &all->profile->frames[frames[0]];
    gci_message_number(&all->location, LOCATION_ID, id);
    if (frame->module < all->profile->module_count)
        gci_message_number(&all->location, LOCATION_MAPPING_ID, frame->module + (uint64_t)1);
    gci_message_number(&all->location, LOCATION_ADDRESS, all->key[0]);
    for (uint32_t i = 0; i < count; i++) {
        frame = &all->profile->frames[frames[i]];
        uint32_t function = function_of_frame(all, frames[i]);
        note_symbols(all, frame);
        if (function != 0)
            add_line(all, function, frame->line);
    }
    write_message(all, PPROF_LOCATION, &all->location);
}

/* Of the frames that one address stands for: those that are inlined, and the function around them. */
static uint32_t location_of(struct pprof *all, const uint32_t *frames, uint32_t count)
{
    const struct profile_frame *frame = &all->profile->frames[frames[0]];
    all->key[0] = frame->address ? frame->address - 1 : 0;
    all->key[1] = frame->module;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t line = all->profile->frames[frames[i]].line;
        all->key[2 + i] = (uint64_t)function_of_frame(all, frames[i]) << 32 | line;
    }
    uint32_t known = all->locations.count;
    uint32_t id = gci_intern_put(&all->locations, all->key, (2 + (size_t)count) * sizeof *all->key) + 1;
    if (id == known + 1)
        write_location(all, id, frames, count);
    return id;
}

/* The empty key, that no location of an address has. */
static uint32_t location_of_unknown(struct pprof *all)
{
    uint32_t known = all->locations.count, id = gci_intern_put(&all->locations, "", 0) + 1;
    if (id != known + 1)
        return id;
    gci_message_number(&all->location, LOCATION_ID, id);
    add_line(all, function_of(all, CALLS_UNKNOWN, NULL), 0);
    write_message(all, PPROF_LOCATION, &all->location);
    return id;
}

/* Into all->ids; how many. */
static size_t locations_of(struct pprof *all, uint32_t stack)
{
    uint32_t count = gci_calls_visible(all->profile, stack, all->frames);
    size_t used = 0;
    for (uint32_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count && all->profile->frames[all->frames[end - 1]].is_inlined; end++)
            continue;
        all->ids[used++] = location_of(all, all->frames + first, end - first);
    }
    if (used == 0)
        all->ids[used++] = location_of_unknown(all);
    return used;
}

/* ---- Samples ---- */

static void add_label(struct pprof *all, const char *name, const char *value)
{
    gci_message_number(&all->inner, LABEL_KEY, string_of(all, name));
    gci_message_number(&all->inner, LABEL_STR, string_of(all, value));
    gci_message_add(&all->sample, SAMPLE_LABEL, &all->inner);
}

/* A sample of nothing is left out. */
static void write_sample(struct pprof *all, uint32_t stack, const uint64_t *values, const char *label, const char *text)
{
    bool is_empty = true;
    for (int i = 0; i < METRIC_COUNT; i++)
        is_empty = is_empty && values[i] == 0;
    if (is_empty)
        return;
    gci_message_numbers(&all->sample, SAMPLE_LOCATION_ID, all->ids, locations_of(all, stack));
    gci_message_numbers(&all->sample, SAMPLE_VALUE, values, METRIC_COUNT);
    if (text)
        add_label(all, label, text);
    write_message(all, PPROF_SAMPLE, &all->sample);
}

static void write_rows(struct pprof *all, enum metric_source source)
{
    const struct profile *profile = all->profile;
    struct metric_rows rows = gci_metric_rows(profile, source);
    for (size_t i = 0; i < rows.count; i++) {
        const struct profile_figures *row = &rows.rows[i];
        uint64_t values[METRIC_COUNT] = {0};
        for (int metric = 0; metric < METRIC_COUNT; metric++) {
            if (gci_metric_kinds[metric].source == source)
                values[metric] = gci_metric_of_figures((enum metric)metric, row);
        }
        write_sample(all, row->stack, values, "thread",
                     row->thread < profile->thread_count ? profile->threads[row->thread] : NULL);
    }
}

static void write_leaks(struct pprof *all)
{
    for (size_t i = 0; i < all->profile->leak_count; i++) {
        const struct profile_leak *leak = &all->profile->leaks[i];
        uint64_t values[METRIC_COUNT] = {0};
        values[METRIC_LEAKED_OBJECTS] = gci_metric_of_leak(all->profile, METRIC_LEAKED_OBJECTS, leak);
        values[METRIC_LEAKED] = gci_metric_of_leak(all->profile, METRIC_LEAKED, leak);
        write_sample(all, leak->stack, values, "kind", leak->kind == PROFILE_LEAK_INDIRECT ? "indirect" : "direct");
    }
}

/* ---- The rest ---- */

static void write_mapping(struct pprof *all, size_t number)
{
    const struct profile_module *module = &all->profile->modules[number];
    const struct symbols *symbols = &all->symbols[number];
    struct message *mapping = &all->inner;
    gci_message_number(mapping, MAPPING_ID, number + 1);
    gci_message_number(mapping, MAPPING_START, module->start);
    gci_message_number(mapping, MAPPING_LIMIT, module->end);
    gci_message_number(mapping, MAPPING_OFFSET, module->file_offset);
    gci_message_number(mapping, MAPPING_FILENAME, string_of(all, module->path));
    gci_message_number(mapping, MAPPING_BUILD_ID, string_of(all, module->build_id));
    gci_message_number(mapping, MAPPING_HAS_FUNCTIONS, !symbols->lacks_function);
    gci_message_number(mapping, MAPPING_HAS_FILENAMES, !symbols->lacks_file);
    gci_message_number(mapping, MAPPING_HAS_LINE_NUMBERS, !symbols->lacks_line);
    gci_message_number(mapping, MAPPING_HAS_INLINE_FRAMES, !symbols->lacks_line);
    write_message(all, PPROF_MAPPING, mapping);
}

/* The first mapping is that of the program itself, as readers take it to be. */
static void write_mappings(struct pprof *all)
{
    const struct profile *profile = all->profile;
    size_t main_module = 0;
    while (main_module < profile->module_count && strcmp(profile->modules[main_module].path, profile->executable) != 0)
        main_module++;
    if (main_module < profile->module_count)
        write_mapping(all, main_module);
    for (size_t i = 0; i < profile->module_count; i++) {
        if (i != main_module)
            write_mapping(all, i);
    }
}

static uint64_t command_line(struct pprof *all)
{
    struct message text = {0};
    for (size_t i = 0; all->profile->words && all->profile->words[i]; i++) {
        gci_message_bytes(&text, " ", i > 0);
        gci_message_bytes(&text, all->profile->words[i], strlen(all->profile->words[i]));
    }
    gci_message_bytes(&text, "", 1);
    uint64_t string = string_of(all, (const char *)text.bytes);
    gci_message_forget(&text);
    return string;
}

static void write_facts(struct pprof *all)
{
    const struct profile *profile = all->profile;
    struct message *facts = &all->outer;
    write_value_type(all, PPROF_PERIOD_TYPE, "space", "bytes");
    gci_message_number(facts, PPROF_TIME_NANOS, profile->header.start_realtime_ns + profile->duration_ns);
    gci_message_number(facts, PPROF_DURATION_NANOS, profile->duration_ns);
    gci_message_number(facts, PPROF_PERIOD, profile->header.rate_bytes);
    gci_message_number(facts, PPROF_COMMENT, command_line(all));
    gci_message_number(facts, PPROF_DEFAULT_SAMPLE_TYPE, string_of(all, gci_metric_kinds[METRIC_LIVE].pprof));
    gci_gzip_put(&all->gzip, facts);
}

/* Last, as every text is known then. */
static void write_strings(struct pprof *all)
{
    for (uint32_t i = 0; i < all->strings.count; i++) {
        const char *text = gci_intern_key(&all->strings, i);
        char *clean = gci_escape_is_clean(text) ? NULL : gci_escape_clean(text);
        text = clean ? clean : text;
        gci_message_text(&all->outer, PPROF_STRING_TABLE, text, strlen(text));
        gci_gzip_put(&all->gzip, &all->outer);
        free(clean);
    }
}

static void write_all(struct pprof *all)
{
    string_of(all, "");
    for (int i = 0; i < METRIC_COUNT; i++)
        write_value_type(all, PPROF_SAMPLE_TYPE, gci_metric_kinds[i].pprof,
                         gci_metric_kinds[i].is_bytes ? "bytes" : "count");
    write_leaks(all);
    write_rows(all, METRIC_OF_PEAK);
    write_rows(all, METRIC_OF_LAST);
    write_mappings(all);
    write_facts(all);
    write_strings(all);
}

static void allocate(struct pprof *all)
{
    size_t deepest = gci_calls_deepest(all->profile) + (size_t)1;
    all->symbols = gci_memory_take(all->profile->module_count, sizeof *all->symbols);
    all->frames = gci_memory_take(deepest, sizeof *all->frames);
    all->ids = gci_memory_take(deepest, sizeof *all->ids);
    all->key = gci_memory_take(deepest + 2, sizeof *all->key);
    all->functions_of_frames = gci_memory_take(all->profile->frame_count, sizeof *all->functions_of_frames);
}

static void forget(struct pprof *all)
{
    gci_intern_forget(&all->strings);
    gci_intern_forget(&all->functions);
    gci_intern_forget(&all->locations);
    gci_message_forget(&all->outer);
    gci_message_forget(&all->sample);
    gci_message_forget(&all->location);
    gci_message_forget(&all->inner);
    gci_message_forget(&all->line);
    free(all->functions_of_frames);
    free(all->symbols);
    free(all->frames);
    free(all->ids);
    free(all->key);
}

void gci_pprof_write(const struct profile *profile, FILE *stream, const void *metric)
{
    struct pprof all = {.profile = profile};
    (void)metric;
    allocate(&all);
    gci_gzip_begin(&all.gzip, stream);
    write_all(&all);
    gci_gzip_end(&all.gzip);
    forget(&all);
}
