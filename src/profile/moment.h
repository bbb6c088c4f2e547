/* SPDX-License-Identifier: MIT */
/* The figures of one moment, as records: usage of the whole process, and rows of stacks and threads.
 *
 * The rows are first gathered in memory of their own, so that the sums in front of them are those of the rows, and written
 * then; threads count on meanwhile. Callers hold the lock of the file.
 */
#ifndef GCI_PROFILE_MOMENT_H
#define GCI_PROFILE_MOMENT_H

#include "profile/writer.h"

/* Process, program, start of the session. */
void gci_moment_header(struct writer *writer, const char *version);

void gci_moment_usage(struct writer *writer);

/* With the stacks, threads and mappings that its rows name. PROFILE_PEAK: what was kept at the last peak. */
void gci_moment_write(struct writer *writer, enum profile_reason reason);

/* The last record of a file. */
void gci_moment_end(struct writer *writer);

#endif
