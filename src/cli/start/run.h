/* SPDX-License-Identifier: MIT */
/* gcalloc run: becomes the program, with the library preloaded. */
#ifndef GCI_CLI_RUN_H
#define GCI_CLI_RUN_H

#include <argp.h>

extern const struct argp gci_run_argp;

/* argv[0] is the subcommand's name. Returns only where the program was not started: the exit code. */
int gci_run_main(int argc, char **argv);

#endif
