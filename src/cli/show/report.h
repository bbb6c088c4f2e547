/* SPDX-License-Identifier: MIT */
/* `gcalloc report`: what a profile says, in words and in the ten largest of each kind. */
#ifndef GCI_CLI_REPORT_H
#define GCI_CLI_REPORT_H

#include <argp.h>

struct profile;

extern const struct argp gci_report_argp;
int gci_report_main(int argc, char **argv);

/* The summary alone, ten lines at most. */
void gci_report_summary(const struct profile *profile);

#endif
