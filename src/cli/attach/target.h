/* SPDX-License-Identifier: MIT */
/* What the kernel tells of a process that is to be asked. */
#ifndef GCI_CLI_TARGET_H
#define GCI_CLI_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct target {
    pid_t process;
    int handle;     /* a pidfd: names this process for good, however numbers are used again */
    pid_t own_id;   /* its number as it knows it */
    uid_t user;     /* whom it acts for, as we know him */
    uid_t own_user; /* and as it does */
    int signal;     /* that its library answers to */
};

/* 0, or the exit code after one line. The handle is the caller's to close. */
int gci_target_open(struct target *target, pid_t process);

/* Why the signal would not be answered; NULL: it will. The text stays until the next call. */
const char *gci_target_deafness(const struct target *target);

/* 0 or an errno value. */
int gci_target_signal(const struct target *target, int value);

/* Whether the process ends within the time. */
bool gci_target_ends_within(const struct target *target, int milliseconds);

#endif
