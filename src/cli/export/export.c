/* SPDX-License-Identifier: MIT */
#include "cli/export/export.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cli/base/arguments.h"
#include "cli/base/message.h"
#include "cli/export/formats.h"
#include "cli/output/request.h"

enum option_key { KEY_FORMAT = 512 };

static const char *lacks_objects(const struct profile *profile)
{
    return profile->object_count > 0 ? NULL : "it holds no objects of the heap, which this format is made of";
}

#define FORMAT_NAMES "pprof|speedscope|collapsed|dhat|heapsnapshot|json"

enum format {
    FORMAT_PPROF,
    FORMAT_SPEEDSCOPE,
    FORMAT_COLLAPSED,
    FORMAT_DHAT,
    FORMAT_HEAPSNAPSHOT,
    FORMAT_JSON,
    FORMAT_NONE
};

/* Formats are in the order of their names. */
static const struct output_writer writers[] = {
    [FORMAT_PPROF] = {.write = gci_pprof_write, .is_binary = true},
    [FORMAT_SPEEDSCOPE] = {.write = gci_speedscope_write},
    [FORMAT_COLLAPSED] = {.write = gci_collapsed_write},
    [FORMAT_DHAT] = {.write = gci_dhat_write},
    [FORMAT_HEAPSNAPSHOT] = {.write = gci_heapsnapshot_write, .lacks = lacks_objects},
    [FORMAT_JSON] = {.write = gci_json_write},
};

struct export
{
    struct output_request request;
    enum format format;
};

static error_t set_format(struct export *export, const char *name)
{
    int place = gci_arguments_choice("--format", FORMAT_NAMES, name);
    export->format = place >= 0 ? (enum format)place : FORMAT_NONE;
    return place >= 0 ? 0 : EINVAL;
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
    struct export export = {.request = gci_request_of("export"), .format = FORMAT_NONE};
    int code;
    if (!gci_view_parse(&gci_export_argp, argc, argv, &export.request.view, &export, &code))
        return code;
    if (export.format == FORMAT_NONE && export.request.view.json)
        export.format = FORMAT_JSON;
    if (export.format == FORMAT_NONE)
        return gci_message_fail(EXIT_OWN_FAILURE, "export", "no --format given: one of %s", FORMAT_NAMES);
    struct output_writer writer = writers[export.format];
    export.request.view.shows_objects = export.format == FORMAT_HEAPSNAPSHOT || export.format == FORMAT_JSON;
    writer.data = &export.request.metric;
    return gci_request_carry_out(&export.request, &writer);
}
