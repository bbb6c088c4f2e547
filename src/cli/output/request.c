/* SPDX-License-Identifier: MIT */
#include "cli/output/request.h"

#include <errno.h>
#include <stdlib.h>

#include "cli/base/arguments.h"
#include "cli/base/message.h"
#include "cli/output/anonymous.h"
#include "cli/output/file.h"

enum option_key { KEY_METRIC = 1024, KEY_ANONYMIZE }; /* long names only */

static error_t set_metric(struct output_request *request, const char *name)
{
    if (gci_arguments_choice("--metric", METRIC_NAMES_USUAL "|" METRIC_NAMES_MORE, name) < 0)
        return EINVAL;
    request->metric = gci_metric_of_name(name);
    return 0;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct output_request *request = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->err_stream = NULL; /* getopt has said what is wrong; argp would add a second line and exit */
        state->child_inputs[0] = &request->view;
        return 0;
    case 'o':
        request->output = argument;
        return 0;
    case 'f':
        request->overwrite = true;
        return 0;
    case KEY_METRIC:
        return set_metric(request, argument);
    case KEY_ANONYMIZE:
        request->anonymize = true;
        request->secret = argument ? argument : "";
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {.name = "output", .key = 'o', .arg = "FILE", .doc = "Write to FILE in place of standard output"},
    {.name = "force", .key = 'f', .doc = "Replace FILE if it exists"},
    {.name = "metric", .key = KEY_METRIC, .arg = "METRIC", .doc = "What stacks are measured by: " METRIC_NAMES_USUAL},
    {.name = "anonymize",
     .key = KEY_ANONYMIZE,
     .arg = "SECRET",
     .flags = OPTION_ARG_OPTIONAL,
     .doc = "Tokens in place of names; with the same SECRET the same tokens"},
    {0},
};

static const struct argp_child children[] = {{.argp = &gci_view_argp}, {0}};

const struct argp gci_request_argp = {.options = options, .parser = parse_option, .children = children};

struct output_request gci_request_of(const char *command)
{
    return (struct output_request){
        .view = {.command = command, .least = 1, .most = 1, .what = "a profile is", .ask = VIEW_GRAPH},
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
    if (!writer->write(profile, file.stream, writer->data))
        code = gci_message_fail(EXIT_OWN_FAILURE, request->view.words[0], "out of memory");
    return gci_file_close(&file, code);
}

int gci_request_carry_out(const struct output_request *request, const struct output_writer *writer)
{
    struct profile *profile = gci_view_read(&request->view, request->view.words[0]);
    if (!profile)
        return EXIT_OWN_FAILURE;
    struct anonymous *anonymous = request->anonymize ? gci_anonymous_make(profile, request->secret) : NULL;
    int code = request->anonymize && !anonymous
                   ? gci_message_fail(EXIT_OWN_FAILURE, request->view.words[0], "out of memory")
                   : write_profile(request, writer, anonymous ? &anonymous->profile : profile);
    gci_anonymous_forget(anonymous);
    gci_profile_forget(profile);
    return code;
}
