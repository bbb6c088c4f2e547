/* SPDX-License-Identifier: MIT */
/* `gcalloc top`: a profile that is being written, as it grows. */
#ifndef GCI_CLI_TOP_H
#define GCI_CLI_TOP_H

#include "cli/base/arguments.h"

extern const struct arguments gci_top_arguments;
int gci_top_main(int argc, char **argv);

#endif
