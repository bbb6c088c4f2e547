/* SPDX-License-Identifier: MIT */
/* `gcalloc record`: a program runs and leaves a profile. */
#ifndef GCI_CLI_RECORDING_H
#define GCI_CLI_RECORDING_H

#include <argp.h>

extern const struct argp gci_record_argp;
int gci_record_main(int argc, char **argv);

#endif
