/* SPDX-License-Identifier: MIT */
#include "cli/output/request.h"

#include <stdlib.h>

#include "cli/base/arguments.h"
#include "cli/base/message.h"
#include "cli/output/anonymous.h"
#include "cli/output/file.h"

static bool take_metric(void *input, const char *name)
{
    struct output_request *request = input;
    if (gci_arguments_choice("--metric", METRIC_NAMES_USUAL "|" METRIC_NAMES_MORE, name) < 0)
        return false;
    request->metric = gci_metric_of_name(name);
    return true;
}

static bool take_anonymize(void *input, const char *secret)
{
    struct output_request *request = input;
    request->anonymize = true;
    request->secret = secret ? secret : "";
    return true;
}

static const struct arguments_option options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "Write to FILE in place of standard output",
     ARGUMENTS_SET_TEXT(struct output_request, output)},
    {.name = "force",
     .letter = 'f',
     .help = "Replace FILE if it exists",
     ARGUMENTS_SET_FLAG(struct output_request, overwrite)},
    {.name = "metric",
     .value = "METRIC",
     .help = "What stacks are measured by: " METRIC_NAMES_USUAL,
     .take = take_metric},
    {.name = "anonymize",
     .value = "SECRET",
     .may_lack = true,
     .help = "Tokens in place of names; with the same SECRET the same tokens",
     .take = take_anonymize},
    {0},
};

static const struct arguments_part parts[] = {{&gci_view_arguments, offsetof(struct output_request, view)}, {0}};

const struct arguments gci_request_arguments = {.options = options, .parts = parts};

struct output_request gci_request_of(const char *command)
{
    return (struct output_request){
        .view = {.command = command, .least = 1, .most = 1, .what = "a profile or a process is", .ask = VIEW_GRAPH},
        .metric = METRIC_LIVE};
}

static int write_profile(const struct output_request *request, const struct output_writer *writer,
                         const struct profile *profile)
{
    struct output_file file;
    const char *lack = writer->lacks ? writer->lacks(profile) : NULL;
    if (lack)
        return gci_message_fail(EXIT_OWN_FAILURE, request->view.words[0], "%s", lack);
    int code = gci_file_open(&file, request->output, request->overwrite, writer->is_binary);
    if (code != 0)
        return code;
    writer->write(profile, file.stream, writer->data);
    return gci_file_close(&file);
}

int gci_request_carry_out(const struct output_request *request, const struct output_writer *writer)
{
    struct profile *profile = gci_view_read(&request->view, request->view.words[0]);
    if (!profile)
        return EXIT_OWN_FAILURE;
    struct anonymous *anonymous = request->anonymize ? gci_anonymous_make(profile, request->secret) : NULL;
    int code = write_profile(request, writer, anonymous ? &anonymous->profile : profile);
    gci_anonymous_forget(anonymous);
    gci_profile_forget(profile);
    return code;
}
