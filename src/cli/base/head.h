/* SPDX-License-Identifier: MIT */
/* Whether a file is a profile, and of when, by its first bytes alone. */
#ifndef GCI_CLI_HEAD_H
#define GCI_CLI_HEAD_H

#include <stdbool.h>

#include "base/profile_format.h"

/* The file, as openat() has it. False, and nothing is said: no profile begins there, or it cannot be read. */
bool gci_head_read(int folder, const char *name, struct profile_header *header);

#endif
