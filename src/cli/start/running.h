/* SPDX-License-Identifier: MIT */
/* A profile of a process that runs already: begun from outside, watched until it is enough, and ended. */
#ifndef GCI_CLI_RUNNING_H
#define GCI_CLI_RUNNING_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct running {
    pid_t process;
    const char *start;         /* the request that begins it */
    bool graph;                /* in the end, what the heap consists of is asked for as well */
    uint64_t duration_seconds; /* 0: until SIGINT, SIGTERM or SIGHUP, or the end of the process */
    char path[PATH_MAX];       /* of the profile; always whole once it is there */
};

/* 0, or the exit code after one line. A process that ends leaves what it last told. */
int gci_running_record(const struct running *running);

#endif
