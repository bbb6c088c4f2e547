/* SPDX-License-Identifier: MIT */
/* `gcalloc record`: a program runs and leaves a profile. */
#ifndef GCI_CLI_RECORDING_H
#define GCI_CLI_RECORDING_H

#include "cli/base/arguments.h"

extern const struct arguments gci_record_arguments;
int gci_record_main(int argc, char **argv);

#endif
