/* SPDX-License-Identifier: MIT */
/* A program that runs with the library and leaves a profile: what `gcalloc record` and `gcalloc leaks -- PROGRAM` share. */
#ifndef GCI_CLI_PROFILED_H
#define GCI_CLI_PROFILED_H

#include <sys/types.h>

#include "cli/launch/preload.h"

#define PROFILE_PROCESS_MARK "%p" /* the library puts the process id there */

struct profiled {
    struct launch launch;
    const char *level;   /* as GCALLOC_PROFILE has it */
    const char *rate;    /* bytes, NULL: the level's own */
    bool graph;          /* the profile ends with the heap as a graph */
    const char *pattern; /* absolute path of the profile, with the mark for the process, or without */
    pid_t child;         /* 0: nothing was started */
    int status;          /* how it ended, as waitpid says it */
};

/* Starts the program and waits for it. 0, or the exit code after one line. */
int gci_profiled_run(struct profiled *profiled);

/* Where the profile of the started process is; for free(). A process that has become other programs by exec has one of each, with
 * numbers behind the name from the second on: it is the last one's. */
char *gci_profiled_path(const struct profiled *profiled);

/* The first one's, and how many there are behind it. */
char *gci_profiled_first_path(const struct profiled *profiled, unsigned *more);

#endif
