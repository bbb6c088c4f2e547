/* SPDX-License-Identifier: MIT */
/* `gcalloc leaks`: what is unreachable and was not freed, by the stack that allocated it. Of a profile, or of a program that is
 * run for it.
 */
#ifndef GCI_CLI_LEAKS_H
#define GCI_CLI_LEAKS_H

#include <argp.h>

extern const struct argp gci_leaks_argp;
int gci_leaks_main(int argc, char **argv);

#endif
