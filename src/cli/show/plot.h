/* SPDX-License-Identifier: MIT */
/* `gcalloc plot`: memory over time, in the terminal or as a picture. */
#ifndef GCI_CLI_PLOT_H
#define GCI_CLI_PLOT_H

#include <argp.h>

extern const struct argp gci_plot_argp;
int gci_plot_main(int argc, char **argv);

#endif
