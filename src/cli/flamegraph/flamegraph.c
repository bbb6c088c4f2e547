/* SPDX-License-Identifier: MIT */
#include "cli/flamegraph/flamegraph.h"

#include "cli/base/message.h"
#include "cli/flamegraph/picture.h"
#include "cli/output/request.h"

static const struct arguments_part parts[] = {{&gci_request_arguments, 0}, {0}};

const struct arguments gci_flamegraph_arguments = {
    .words = "PROFILE|PID",
    .about = "Draws the stacks of PROFILE as an SVG for browsers: each call as wide as its share."
             "\vA click on a call shows it over the full width, Escape goes back.",
    .parts = parts,
};

int gci_flamegraph_main(int argc, char **argv)
{
    struct output_request request = gci_request_of("flamegraph");
    int code;
    if (!gci_view_parse(&gci_flamegraph_arguments, argc, argv, &request.view, &request, &code))
        return code;
    if (request.view.json)
        return gci_message_fail(EXIT_OWN_FAILURE, "flamegraph",
                                "a picture cannot be JSON; try 'gcalloc export --json'");
    struct output_writer writer = {.write = gci_picture_write, .data = &request.metric};
    return gci_request_carry_out(&request, &writer);
}
