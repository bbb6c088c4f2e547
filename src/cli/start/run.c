/* SPDX-License-Identifier: MIT */
/* The program replaces this process, so that its exit status, signals, terminal and process id are its own. */
#include "cli/start/run.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/message.h"
#include "cli/launch/preload.h"

enum option_key { KEY_STATS = 512 }; /* long name only, and none of preload.c */

struct run {
    struct launch launch;
    bool stats;
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct run *run = state->input;
    (void)argument;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &run->launch;
        return 0;
    case KEY_STATS:
        run->stats = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {.name = "stats", .key = KEY_STATS, .doc = "A table on standard error when the program exits"},
    {0},
};

static const struct argp_child children[] = {{.argp = &gci_preload_argp}, {0}};

const struct argp gci_run_argp = {
    .options = options,
    .parser = parse_option,
    .args_doc = "[--] PROGRAM [ARGUMENT...]",
    .doc = "Runs PROGRAM with gcalloc in place of its malloc."
           "\vOptions after PROGRAM are the program's own. The exit status is the program's; 125: gcalloc failed, "
           "126: the program cannot be run with the library, 127: it was not found.",
    .children = children,
};

int gci_run_main(int argc, char **argv)
{
    struct run run = {.launch = {.command = "run"}};
    struct program program;
    int code;
    if (!gci_preload_parse(&gci_run_argp, argc, argv, &run.launch, &run, &code))
        return code;
    code = gci_preload_prepare(&run.launch, &program);
    if (code == 0 && run.stats)
        code = gci_preload_setenv("GCALLOC_STATS", "1");
    if (code != 0)
        return code;
    execv(program.path, program.words);
    return gci_message_fail(EXIT_CANNOT_RUN, program.path, "cannot be executed: %s", strerror(errno));
}
