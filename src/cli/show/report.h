/* SPDX-License-Identifier: MIT */
/* `gcalloc report`: what a profile says, in words and in the ten largest of each kind. */
#ifndef GCI_CLI_REPORT_H
#define GCI_CLI_REPORT_H

#include "cli/base/arguments.h"

struct profile;

extern const struct arguments gci_report_arguments;
int gci_report_main(int argc, char **argv);

/* The summary alone, ten lines at most. */
void gci_report_summary(const struct profile *profile);

#endif
