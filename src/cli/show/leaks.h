/* SPDX-License-Identifier: MIT */
/* `gcalloc leaks`: what is unreachable and was not freed, by the stack that allocated it. Of a profile, or of a program that is
 * run for it.
 */
#ifndef GCI_CLI_LEAKS_H
#define GCI_CLI_LEAKS_H

#include "cli/base/arguments.h"

extern const struct arguments gci_leaks_arguments;
int gci_leaks_main(int argc, char **argv);

#endif
