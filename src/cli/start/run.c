/* SPDX-License-Identifier: MIT */
/* The program replaces this process, so that its exit status, signals, terminal and process id are its own. */
#include "cli/start/run.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/message.h"
#include "cli/launch/preload.h"

struct run {
    struct launch launch;
    bool stats;
};

static const struct arguments_option options[] = {
    {.name = "stats",
     .help = "A table on standard error when the program exits",
     ARGUMENTS_SET_FLAG(struct run, stats)},
    {0},
};

static const struct arguments_part parts[] = {{&gci_preload_arguments, offsetof(struct run, launch)}, {0}};

const struct arguments gci_run_arguments = {
    .options = options,
    .words = "[--] PROGRAM [ARGUMENT...]",
    .about = "Runs PROGRAM with gcalloc in place of its malloc."
             "\vOptions after PROGRAM are the program's own. The exit status is the program's; 125: gcalloc failed, "
             "126: the program cannot be run with the library, 127: it was not found.",
    .parts = parts,
};

int gci_run_main(int argc, char **argv)
{
    struct run run = {.launch = {.command = "run"}};
    struct program program;
    int code;
    if (!gci_preload_parse(&gci_run_arguments, argc, argv, &run.launch, &run, &code))
        return code;
    code = gci_preload_prepare(&run.launch, &program);
    if (code == 0 && run.stats)
        code = gci_preload_setenv("GCALLOC_STATS", "1");
    if (code != 0)
        return code;
    execv(program.path, program.words);
    return gci_message_fail(EXIT_CANNOT_RUN, program.path, "cannot be executed: %s", strerror(errno));
}
