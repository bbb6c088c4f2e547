/* SPDX-License-Identifier: MIT */
/* What the profiler does when an object is chosen, is born and goes: the hooks of heap/special/sample.h.
 *
 * choose: stack → row (sites.h) → a record; at level full by a trail (platform/context.h). born: into the
 * row of the thread. gone: out of the row that the record names. An origin is the row, the session and the time of birth (age.h);
 * records of an earlier session are not counted any more.
 * A sample inside a sample (a signal handler, a walker that allocates) is dropped and counted as lost.
 */
#ifndef GCI_PROFILE_SAMPLER_H
#define GCI_PROFILE_SAMPLER_H

#include "heap/special/sample.h"
#include "profile/sites.h"

/* Of the profile that is on; set before the hooks are. */
struct session {
    uint32_t number; /* from 1; in every origin, as far as SITE_NAME_SESSION_BITS go */
    enum profile_level level;
    volatile shared_word rate_bytes;
    volatile shared_word lost;

    volatile shared_word live_bytes; /* as of the last word of each thread */
    volatile shared_word live_most;  /* its highest value; time of it */
    volatile shared_word live_most_ns;
    uint64_t peak_most; /* these three: highest value, sum and time when the rows' peak figures were taken; peak lock */
    uint64_t peak_bytes;
    uint64_t peak_ns;

    volatile shared_word due_ticks; /* when there is something to be written */
};
extern struct session gci_session;

/* Called by a thread that is about to sample, in no critical section, when due_ticks has passed or the peak has. */
extern void (*gci_sampler_work)(void);

/* A session begins: the hooks are set. */
void gci_sampler_start(enum profile_level level, uint64_t rate_bytes);

/* No more samples; a thread may be in the middle of one. */
void gci_sampler_stop(void);

/* For all threads from their next sample on. */
void gci_sampler_set_rate(uint64_t rate_bytes);

/* Work is due after that time; a busy thread may find out some births later. */
void gci_sampler_set_due(uint64_t after_ns);

/* Of a record: its row, NULL when it is of an earlier session. */
struct site_row *gci_sampler_row(const struct sample *sample);

/* Objects of a record in parts of SITE_OBJECT, and bytes that it stands for. */
uint64_t gci_sampler_objects(const struct sample *sample);
uint64_t gci_sampler_bytes(const struct sample *sample, size_t bytes);

/* What lives of a row, in the same parts; a figure, read while others change it. */
struct site_live {
    uint64_t objects;
    uint64_t bytes;
};
struct site_live gci_sampler_live(const struct site_row *row);

/* The rows' live figures become those of the peak. False: another thread is at it. */
bool gci_sampler_take_peak(void);

void gci_sampler_reset_lock(void); /* fork child */

/* Threads that have had samples, by number from 1 to the count. */
struct sampled_thread {
    uint32_t system_id;
    char name[16];
    bool is_written;
    volatile u32_shared is_ready;
};
#define SAMPLED_THREADS_MAX ((uint32_t)PROFILE_THREADS_MAX)
uint32_t gci_sampler_thread_count(void);
struct sampled_thread *gci_sampler_thread(uint32_t number);

/* The call that the calling thread is in, for its next sample; NULL: none. */
extern __thread const struct site_place *gci_sampler_place TLS_INITIAL_EXEC HIDDEN;

/* Around work of the profiler's own: what it allocates meanwhile is not looked at. */
bool gci_sampler_enter(void);
void gci_sampler_leave(void);

#endif
