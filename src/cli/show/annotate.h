/* SPDX-License-Identifier: MIT */
/* `gcalloc annotate`: a source file with what its lines allocate beside them. */
#ifndef GCI_CLI_ANNOTATE_H
#define GCI_CLI_ANNOTATE_H

#include <argp.h>

extern const struct argp gci_annotate_argp;
int gci_annotate_main(int argc, char **argv);

#endif
