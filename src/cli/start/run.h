/* SPDX-License-Identifier: MIT */
/* gcalloc run: becomes the program, with the library preloaded. */
#ifndef GCI_CLI_RUN_H
#define GCI_CLI_RUN_H

#include "cli/base/arguments.h"

extern const struct arguments gci_run_arguments;

/* argv[0] is the subcommand's name. Returns only where the program was not started: the exit code. */
int gci_run_main(int argc, char **argv);

#endif
