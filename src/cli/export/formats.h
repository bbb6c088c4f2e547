/* SPDX-License-Identifier: MIT */
/* The formats of gcalloc export, one file each. Each writes the whole profile to the stream, and knows nothing of files; errors
 * of writing are the stream's.
 */
#ifndef GCI_CLI_FORMATS_H
#define GCI_CLI_FORMATS_H

#include <stdio.h>

#include "cli/output/metric.h"

/* profile.proto of pprof, compressed by gzip. */
void gci_pprof_write(const struct profile *profile, FILE *stream, const void *metric);

/* One profile for each metric, of which `metric` is shown first. */
void gci_speedscope_write(const struct profile *profile, FILE *stream, const void *metric);

/* "outer;inner N", one line for each stack that has any of `metric`. */
void gci_collapsed_write(const struct profile *profile, FILE *stream, const void *metric);

/* Version 2, as dh_view and the Firefox profiler read it. */
void gci_dhat_write(const struct profile *profile, FILE *stream, const void *metric);

/* The objects of the heap as V8 writes them, for the memory panel of browsers. */
void gci_heapsnapshot_write(const struct profile *profile, FILE *stream, const void *metric);

/* All that there is, as gcalloc-export(1) describes it. */
void gci_json_write(const struct profile *profile, FILE *stream, const void *metric);

#endif
