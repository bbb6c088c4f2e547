/* SPDX-License-Identifier: MIT */
/* A program that runs while the command waits for it, as if the command were not there: signals, terminal and exit status are the
 * program's. One at a time.
 */
#ifndef GCI_CLI_CHILD_H
#define GCI_CLI_CHILD_H

#include <sys/types.h>

#include "cli/launch/program.h"

/* Starts the program. 0, or the exit code after one line; *child is 0 then, or the id of what is gone already. */
int gci_child_start(const struct program *program, pid_t *child);

/* How it ended, as waitpid says it. */
int gci_child_wait(pid_t child);

/* Ends as the program ended: by the same signal, or by returning its exit status. */
int gci_child_pass_on(int status);

#endif
