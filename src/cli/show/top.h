/* SPDX-License-Identifier: MIT */
/* `gcalloc top`: a profile that is being written, as it grows. */
#ifndef GCI_CLI_TOP_H
#define GCI_CLI_TOP_H

#include <argp.h>

extern const struct argp gci_top_argp;
int gci_top_main(int argc, char **argv);

#endif
