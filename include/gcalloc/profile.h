/* SPDX-License-Identifier: MIT */
/* gcalloc: the profiler. Where memory is asked for, what of it lives, how old it gets and who frees it, stack by stack.
 *
 * A profile may also be had without a line of code: GCALLOC_PROFILE=sample in the environment, or `gcalloc record`. Its file is
 * read by the command: `gcalloc report FILE`.
 *
 * All functions return 0 or an errno value; all may be called from any thread, except from a signal handler.
 */
#ifndef GCALLOC_PROFILE_H
#define GCALLOC_PROFILE_H

#include <gcalloc.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gca_profile_level {
    GCA_PROFILE_SAMPLE = 1, /* one sample in 512 KiB of requests; figures are estimates; costs next to nothing */
    GCA_PROFILE_SITE = 2,   /* more samples, whose stacks are one call deep */
    GCA_PROFILE_FULL = 3    /* each allocation; figures are exact */
};

struct gca_profile_options {
    size_t size; /* set by the caller to sizeof(struct gca_profile_options): older callers stay right */
    enum gca_profile_level level;
    uint64_t rate_bytes; /* mean distance of two samples; 0: the level's own; without meaning at level full */
    const char *path;    /* of the file, which must not exist; %p is the process id; NULL: figures stay in memory */
};

/* Sampling begins: on this thread with its next request, on others within their next 32 KiB of small requests. NULL: level
 * sample, and no file. EBUSY: a profile is on; EINVAL: no such level; ENOMEM; EEXIST and others: the file. */
GCA_API int gca_profile_start(const struct gca_profile_options *options);

/* The profile ends, and its file is complete. ESRCH: none is on; else what went wrong with the file. Objects that were chosen
 * stay where they are and cost a few instructions more when they are freed. */
GCA_API int gca_profile_stop(void);

/* Writes all that is known now as a complete profile to a new file; with NULL as one more moment into the profile's own.
 * ESRCH: no profile is on; EEXIST and others: the file. */
GCA_API int gca_profile_dump(const char *path);

/* As gca_profile_dump to a new file, and what has leaked, and the heap as a graph: every block, every pointer in one, every
 * root and where it lies. `gcalloc why FILE` reads it. A profile need not be on; what was allocated while it was is known with
 * its stack. The world is stopped while the graph is written. EAGAIN: threads could not be stopped; EEXIST and others: the
 * file. */
GCA_API int gca_profile_graph(const char *path);

/* The mean distance of samples from now on; 0: the level's own. Each sample keeps its own weight, so figures from before and
 * after may be added. ESRCH: no profile is on. */
GCA_API int gca_profile_set_rate(uint64_t rate_bytes);

#ifdef __cplusplus
}
#endif
#endif
