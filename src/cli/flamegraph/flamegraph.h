/* SPDX-License-Identifier: MIT */
/* gcalloc flamegraph: stacks as one picture, an SVG that works alone: from disk, without network, and without scripts too. */
#ifndef GCI_CLI_FLAMEGRAPH_H
#define GCI_CLI_FLAMEGRAPH_H

#include "cli/base/arguments.h"

extern const struct arguments gci_flamegraph_arguments;

/* argv[0] is the subcommand's name. The exit code. */
int gci_flamegraph_main(int argc, char **argv);

#endif
