/* SPDX-License-Identifier: MIT */
/* `gcalloc why`: what keeps memory alive. */
#ifndef GCI_CLI_WHY_H
#define GCI_CLI_WHY_H

#include "cli/base/arguments.h"

extern const struct arguments gci_why_arguments;
int gci_why_main(int argc, char **argv);

#endif
