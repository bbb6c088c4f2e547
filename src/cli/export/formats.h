/* SPDX-License-Identifier: MIT */
/* The formats of gcalloc export, one file each. Each writes the whole profile to the stream, and knows nothing of files.
 * False: no memory. Errors of writing are the stream's.
 */
#ifndef GCI_CLI_FORMATS_H
#define GCI_CLI_FORMATS_H

#include <stdio.h>

#include "cli/output/metric.h"

/* profile.proto of pprof, compressed by gzip. */
bool gci_pprof_write(const struct profile *profile, FILE *stream, const void *metric);

/* One profile for each metric, of which `metric` is shown first. */
bool gci_speedscope_write(const struct profile *profile, FILE *stream, const void *metric);

/* "outer;inner N", one line for each stack that has any of `metric`. */
bool gci_collapsed_write(const struct profile *profile, FILE *stream, const void *metric);

/* Version 2, as dh_view and the Firefox profiler read it. */
bool gci_dhat_write(const struct profile *profile, FILE *stream, const void *metric);

/* The objects of the heap as V8 writes them, for the memory panel of browsers. */
bool gci_heapsnapshot_write(const struct profile *profile, FILE *stream, const void *metric);

/* All that there is, as gcalloc-export(1) describes it. */
bool gci_json_write(const struct profile *profile, FILE *stream, const void *metric);

#endif
