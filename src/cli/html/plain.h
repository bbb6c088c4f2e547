/* SPDX-License-Identifier: MIT */
/* The figures that matter most as plain tables, for browsers that run no script. */
#ifndef GCI_CLI_HTML_PLAIN_H
#define GCI_CLI_HTML_PLAIN_H

#include <stdio.h>

#include "cli/profile/profile.h"

void gci_plain_write(FILE *stream, const struct profile *profile);

#endif
