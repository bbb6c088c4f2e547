/* SPDX-License-Identifier: MIT */
/* `gcalloc plot`: memory over time, in the terminal or as a picture. */
#ifndef GCI_CLI_PLOT_H
#define GCI_CLI_PLOT_H

#include "cli/base/arguments.h"

extern const struct arguments gci_plot_arguments;
int gci_plot_main(int argc, char **argv);

#endif
