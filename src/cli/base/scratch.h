/* SPDX-License-Identifier: MIT */
/* A directory for files that a started program writes for the command. Its own, for a process that outlives the command would
 * otherwise bring a file back to life in the temporary directory.
 */
#ifndef GCI_CLI_SCRATCH_H
#define GCI_CLI_SCRATCH_H

#include <limits.h>

/* The library takes paths up to this length, with the terminator (OPTION_TEXT_BYTES in base/options.h). */
#define LIBRARY_PATH_BYTES 256

/* $TMPDIR/gcalloc-WHAT.XXXXXX, absolute, for the program may change its working directory; `name` is of the longest file in it.
 * 0, or the exit code after one line, and "" in `directory`. */
int gci_scratch_make(char directory[PATH_MAX], const char *what, const char *name);

/* With all that is in it. */
void gci_scratch_remove(const char *directory);

#endif
