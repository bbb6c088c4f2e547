/* SPDX-License-Identifier: MIT */
/* gcalloc export: a profile in a form that other programs read. */
#ifndef GCI_CLI_EXPORT_H
#define GCI_CLI_EXPORT_H

#include "cli/base/arguments.h"

extern const struct arguments gci_export_arguments;

/* argv[0] is the subcommand's name. The exit code. */
int gci_export_main(int argc, char **argv);

#endif
