/* SPDX-License-Identifier: MIT */
/* `gcalloc diff`: what changed from one profile to another, by call stack. */
#ifndef GCI_CLI_DIFF_H
#define GCI_CLI_DIFF_H

#include <argp.h>

extern const struct argp gci_diff_argp;
int gci_diff_main(int argc, char **argv);

#endif
