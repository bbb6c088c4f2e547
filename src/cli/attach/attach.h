/* SPDX-License-Identifier: MIT */
/* Asking a running process that has the library loaded (base/request_format.h): by a file and a signal, without ptrace and
 * without a thread of ours in it; it may sleep meanwhile.
 *
 * The signal's default would end a process: it is only sent to one that shows the library's mapping and has a handler for the
 * signal. What remains is that the process replaces itself by another program between that look and the signal.
 */
#ifndef GCI_CLI_ATTACH_H
#define GCI_CLI_ATTACH_H

#include <sys/types.h>

/* Asks `process` for `what`, a line of words, and puts the result into the file `path` (NULL: there is none). 0, or the exit
 * code after one line: no such process, another user's, without the library, deaf to the signal, no answer in time, or what
 * the process says is in the way. */
int gci_attach_request(pid_t process, const char *what, const char *path);

#endif
