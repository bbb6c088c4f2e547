/* SPDX-License-Identifier: MIT */
#include "cli/export/export.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cli/base/arguments.h"
#include "cli/base/message.h"
#include "cli/export/formats.h"
#include "cli/output/request.h"

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

static const struct arguments_option options[] = {
    {.name = "format",
     .value = "FORMAT",
     .help = "What to write: " FORMAT_NAMES,
     .choices = FORMAT_NAMES,
     ARGUMENTS_SET_CHOICE(struct export, format)},
    {0},
};

static const struct arguments_part parts[] = {{&gci_request_arguments, offsetof(struct export, request)}, {0}};

const struct arguments gci_export_arguments = {
    .options = options,
    .words = "PROFILE|PID",
    .about = "Writes PROFILE in a form that other programs read."
             "\vThe formats are described in gcalloc-export(1).",
    .parts = parts,
};

int gci_export_main(int argc, char **argv)
{
    struct export export = {.request = gci_request_of("export"), .format = FORMAT_NONE};
    int code;
    if (!gci_view_parse(&gci_export_arguments, argc, argv, &export.request.view, &export, &code))
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
