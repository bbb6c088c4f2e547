/* SPDX-License-Identifier: MIT */
/* Requests from the command (base/request_format.h, world/request.h), answered. */
#ifndef GCI_PROFILE_LOOK_REQUEST_H
#define GCI_PROFILE_LOOK_REQUEST_H

/* From now on requests are served. `library_version`: static storage. */
void gci_look_serve_requests(const char *library_version);

#endif
