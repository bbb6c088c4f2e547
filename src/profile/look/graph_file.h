/* SPDX-License-Identifier: MIT */
/* Leaks, and the heap as a graph, as records of a profile. */
#ifndef GCI_PROFILE_LOOK_GRAPH_FILE_H
#define GCI_PROFILE_LOOK_GRAPH_FILE_H

#include "profile/look/leak_groups.h"
#include "profile/look/records.h"

/* Each: 0 or an errno value; EAGAIN: threads could not be stopped. Failures of writing are told by gci_records_close.
 * `time_ns`: now, since the profile's start. `caller` as in struct cycle_look (collect/cycle.h). */
int gci_graph_file_add_leaks(struct records *records, const struct roots_caller *caller, uint64_t time_ns);
int gci_graph_file_add_graph(struct records *records, const struct roots_caller *caller);

#endif
