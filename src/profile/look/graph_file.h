/* SPDX-License-Identifier: MIT */
/* Leaks, and the heap as a graph, as records of a profile. Callers hold the lock of the file (profile/profile.h).
 */
#ifndef GCI_PROFILE_LOOK_GRAPH_FILE_H
#define GCI_PROFILE_LOOK_GRAPH_FILE_H

#include "profile/writer.h"
#include "world/roots.h"

/* What has leaked; and the heap, written while the world is stopped. 0; ENOMEM; EOVERFLOW; EAGAIN: threads could not be
 * stopped. Failures of writing stay in the writer. `caller` as in struct cycle_look (collect/cycle.h). */
int gci_graph_file_add_leaks(struct writer *writer, const struct roots_caller *caller);
int gci_graph_file_add_graph(struct writer *writer, const struct roots_caller *caller);

/* What the collector has reclaimed, by stack, as leaks that are collected. */
void gci_graph_file_add_collected(struct writer *writer);

/* That these are all. */
void gci_graph_file_add_leaks_known(struct writer *writer);

#endif
