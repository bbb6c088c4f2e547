/* SPDX-License-Identifier: MIT */
#include "cli/export/export.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cli/base/message.h"
#include "cli/export/formats.h"
#include "cli/output/request.h"

enum option_key { KEY_FORMAT = 512 };

static const char *lacks_objects(const struct profile *profile)
{
    return profile->object_count > 0 ? NULL : "it holds no objects of the heap, which this format is made of";
}

static const struct format {
    const char *name;
    struct output_writer writer;
} formats[] = {
    {"pprof", {.write = gci_pprof_write, .is_binary = true}},
    {"speedscope", {.write = gci_speedscope_write}},
    {"collapsed", {.write = gci_collapsed_write}},
    {"dhat", {.write = gci_dhat_write}},
    {"heapsnapshot", {.write = gci_heapsnapshot_write, .lacks = lacks_objects}},
    {"json", {.write = gci_json_write}},
};
/* The last one is that of --json. */
#define FORMAT_COUNT (sizeof formats / sizeof formats[0])
#define FORMAT_NAMES "pprof|speedscope|collapsed|dhat|heapsnapshot|json"

struct export
{
    struct output_request request;
    const struct format *format; /* NULL: none was given */
};

static error_t set_format(struct export *export, const char *name)
{
    char thing[64];
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        if (strcmp(formats[i].name, name) == 0) {
            export->format = &formats[i];
            return 0;
        }
    }
    snprintf(thing, sizeof thing, "--format=%.40s", name);
    gci_message_fail(EXIT_OWN_FAILURE, thing, "not one of %s", FORMAT_NAMES);
    return EINVAL;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct export *export = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &export->request;
        return 0;
    case KEY_FORMAT:
        return set_format(export, argument);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {.name = "format", .key = KEY_FORMAT, .arg = "FORMAT", .doc = "What to write: " FORMAT_NAMES},
    {0},
};

static const struct argp_child children[] = {{.argp = &gci_request_argp}, {0}};

const struct argp gci_export_argp = {
    .options = options,
    .parser = parse_option,
    .args_doc = "PROFILE|PID",
    .doc = "Writes PROFILE in a form that other programs read."
           "\vThe formats are described in gcalloc-export(1).",
    .children = children,
};

int gci_export_main(int argc, char **argv)
{
    struct export export = {.request = gci_request_of("export")};
    int code;
    if (!gci_view_parse(&gci_export_argp, argc, argv, &export.request.view, &export, &code))
        return code;
    if (!export.format && export.request.view.json)
        export.format = &formats[FORMAT_COUNT - 1];
    if (!export.format)
        return gci_message_fail(EXIT_OWN_FAILURE, "export", "no --format given: one of %s", FORMAT_NAMES);
    struct output_writer writer = export.format->writer;
    export.request.view.shows_objects = writer.lacks == lacks_objects || writer.write == gci_json_write;
    writer.data = &export.request.metric;
    return gci_request_carry_out(&export.request, &writer);
}
