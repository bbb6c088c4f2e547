/* SPDX-License-Identifier: MIT */
/* `gcalloc why`: what keeps memory alive. */
#ifndef GCI_CLI_WHY_H
#define GCI_CLI_WHY_H

#include <argp.h>

extern const struct argp gci_why_argp;
int gci_why_main(int argc, char **argv);

#endif
