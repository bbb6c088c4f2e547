/* SPDX-License-Identifier: MIT */
/* `gcalloc annotate`: a source file with what its lines allocate beside them. */
#ifndef GCI_CLI_ANNOTATE_H
#define GCI_CLI_ANNOTATE_H

#include "cli/base/arguments.h"

extern const struct arguments gci_annotate_arguments;
int gci_annotate_main(int argc, char **argv);

#endif
