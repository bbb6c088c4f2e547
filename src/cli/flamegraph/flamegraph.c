/* SPDX-License-Identifier: MIT */
#include "cli/flamegraph/flamegraph.h"

#include "cli/base/message.h"
#include "cli/flamegraph/picture.h"
#include "cli/output/request.h"

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    (void)argument;
    if (key != ARGP_KEY_INIT)
        return ARGP_ERR_UNKNOWN;
    state->child_inputs[0] = state->input;
    return 0;
}

static const struct argp_child children[] = {{.argp = &gci_request_argp}, {0}};

const struct argp gci_flamegraph_argp = {
    .parser = parse_option,
    .args_doc = "PROFILE|PID",
    .doc = "Draws the stacks of PROFILE as an SVG for browsers: each call as wide as its share."
           "\vA click on a call shows it over the full width, Escape goes back.",
    .children = children,
};

int gci_flamegraph_main(int argc, char **argv)
{
    struct output_request request = gci_request_of("flamegraph");
    int code;
    if (!gci_view_parse(&gci_flamegraph_argp, argc, argv, &request.view, &request, &code))
        return code;
    if (request.view.json)
        return gci_message_fail(EXIT_OWN_FAILURE, "flamegraph",
                                "a picture cannot be JSON; try 'gcalloc export --json'");
    struct output_writer writer = {.write = gci_picture_write, .data = &request.metric};
    return gci_request_carry_out(&request, &writer);
}
