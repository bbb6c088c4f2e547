/* SPDX-License-Identifier: MIT */
/* Requests from the command (base/request_format.h, world/request.h), answered; and the order to begin or end a profile. */
#ifndef GCI_PROFILE_LOOK_REQUEST_H
#define GCI_PROFILE_LOOK_REQUEST_H

#include "profile/profile.h"

/* From now on requests are served. `library_version`: static storage. */
void gci_look_serve_requests(const char *library_version);

/* What an order begins; one that ends a profile makes it end with the heap as a graph, or without. Both stay. */
void gci_look_serve_orders(const struct profile_plan *plan, bool with_graph);

/* The process ends here and now, without exit: its profile becomes complete. At any time, and by any thread; where the thread is
 * in the middle of something, or another does not let it, nothing happens. `caller` as in struct cycle_look. */
void gci_look_end_profile(const struct roots_caller *caller, bool with_graph);

#endif
