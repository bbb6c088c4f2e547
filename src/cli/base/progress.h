/* SPDX-License-Identifier: MIT */
/* A line on standard error that says how far work has come: only on a terminal, and only once it has taken a second. */
#ifndef GCI_CLI_PROGRESS_H
#define GCI_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *what;
    size_t total;
    uint64_t start_ns; /* 0: not begun; these are the module's own */
    uint64_t shown_ns; /* when the line was last written, 0: never */
};

void gci_progress_show(struct progress *progress, size_t done, const char *thing);
void gci_progress_end(struct progress *progress);

#endif
