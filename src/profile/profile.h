/* SPDX-License-Identifier: MIT */
/* The profile of the process: on, off, and on its way into a file.
 *
 * A session: gci_profile_start → hooks → samples of all threads → gci_profile_stop, or exit. The file holds header, mappings and
 * usage from the beginning; every so often the thread whose sample comes first after the time adds a row of usage, and less
 * often a moment (moment.h); where no sample comes, the timer of world/idle.h sees to it. So a process that is killed leaves all
 * but its last second.
 *
 * One lock, that of the file, outermost of all (src/README.md); samples only try it. Callers hold no lock and are in no
 * critical section. Errors are errno values; 0 is none.
 */
#ifndef GCI_PROFILE_PROFILE_H
#define GCI_PROFILE_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/profile_format.h"
#include "collect/cycle.h"

struct profile_plan {
    enum profile_level level;
    uint64_t rate_bytes; /* 0: gci_profile_default_rate; without meaning at level full */
    const char *path;    /* "%p" is the process; NULL: no file */
    const char *version; /* of the library; stays */
    bool may_number;     /* if an earlier program of this process has begun the file: PATH.2, PATH.3 ... */
};

uint64_t gci_profile_default_rate(enum profile_level level);

/* EBUSY: there is one; ENOMEM; EEXIST and others: of the file, and nothing has started. */
int gci_profile_start(const struct profile_plan *plan);

/* ESRCH: there is none. Otherwise the profile has ended, whatever became of its file. */
int gci_profile_stop(void);

/* What is known now, as a whole profile in a new file; NULL: as a moment in the profile's own. ESRCH: there is none. */
int gci_profile_dump(const char *path);

/* What a dump tells beyond the figures; a profile need not be on for it. */
struct profile_extra {
    bool leaks;
    bool graph;    /* and the heap as a graph */
    bool may_wait; /* for the lock of the file; not in a handler, which may have come on top of it */
    const struct roots_caller *caller; /* as in struct cycle_look */
    const char *version;               /* of the library; stays */
};

/* As gci_profile_dump. EINPROGRESS: it may not wait, and another is writing; EAGAIN: threads could not be stopped. */
int gci_profile_dump_with(const char *path, const struct profile_extra *extra);

/* As gci_profile_start and gci_profile_stop, in a handler. EINPROGRESS: another has the lock of the file. `extra`: what the
 * profile's file tells at its end. */
int gci_profile_try_start(const struct profile_plan *plan);
int gci_profile_try_stop(const struct profile_extra *extra);

/* Whether a profile is on whose file is there, or is being completed by another thread: not that of a fork child which has had
 * nothing to say yet. At any time. */
bool gci_profile_has_begun_file(void);

enum profile_note {
    PROFILE_NOTE_ALL,      /* the process may be another program next */
    PROFILE_NOTE_WHEN_DUE, /* it may do nothing, so that no sample comes to write a moment; by a handler that serves */
    PROFILE_NOTE_MODULES   /* one may go */
};

/* What is known now goes into the profile's file. ESRCH: there is no such file; EINPROGRESS: another has the lock of the file, or
 * the caller is in a critical section. */
int gci_profile_try_note(enum profile_note what);

/* Of the file of the profile that is on, or was the last; "": there is none. Until the next one begins. */
const char *gci_profile_path(void);

/* 0: the default of the level. ESRCH: there is none. */
int gci_profile_set_rate(uint64_t rate_bytes);

void gci_profile_note_cycle(const struct cycle_report *report);

/* The profile's last words, what has leaked, and with_graph the heap as a graph; one line where they could not be written or
 * are not known. `caller` as in struct cycle_look. */
void gci_profile_at_exit(const struct roots_caller *caller, bool with_graph);

/* Around fork. A child goes on under its own number where the path has one, else without a profile. */
void gci_profile_lock(void);
void gci_profile_unlock(void);
void gci_profile_reset(void); /* child */

#endif
