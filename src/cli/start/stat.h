/* SPDX-License-Identifier: MIT */
/* gcalloc stat: runs the program, and all that it starts, and sums up what the collector did in them. */
#ifndef GCI_CLI_STAT_H
#define GCI_CLI_STAT_H

#include "cli/base/arguments.h"

extern const struct arguments gci_stat_arguments;

/* argv[0] is the subcommand's name. The program's exit status; where a signal killed the program, the same signal ends
 * this process. */
int gci_stat_main(int argc, char **argv);

#endif
