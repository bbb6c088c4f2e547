/* SPDX-License-Identifier: MIT */
#include "cli/base/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS 1000000000u
#define REDRAW_NS 100000000u
#define CLEAR_LINE "\r\x1b[K"

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void gci_progress_show(struct progress *progress, size_t done, const char *thing)
{
    uint64_t now = now_ns();
    if (progress->start_ns == 0)
        progress->start_ns = now;
    if (now - progress->start_ns < PATIENCE_NS || now - progress->shown_ns < REDRAW_NS || !isatty(STDERR_FILENO))
        return;
    progress->shown_ns = now;
    dprintf(STDERR_FILENO, CLEAR_LINE "gcalloc: %s: %zu %%  %.40s", progress->what,
            progress->total > 0 ? done * 100 / progress->total : 0, thing);
}

void gci_progress_end(struct progress *progress)
{
    if (progress->shown_ns != 0)
        dprintf(STDERR_FILENO, CLEAR_LINE);
}
