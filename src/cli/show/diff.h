/* SPDX-License-Identifier: MIT */
/* `gcalloc diff`: what changed from one profile to another, by call stack. */
#ifndef GCI_CLI_DIFF_H
#define GCI_CLI_DIFF_H

#include "cli/base/arguments.h"

extern const struct arguments gci_diff_arguments;
int gci_diff_main(int argc, char **argv);

#endif
