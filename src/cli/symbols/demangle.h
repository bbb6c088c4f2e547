/* SPDX-License-Identifier: MIT */
/* Names of C++ as people write them. */
#ifndef GCI_CLI_DEMANGLE_H
#define GCI_CLI_DEMANGLE_H

#include "cli/base/memory.h"

/* A copy in the pool; of what is no mangled name, the name itself. */
const char *gci_demangle(struct memory_pool *pool, const char *name);

#endif
