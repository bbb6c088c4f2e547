/* SPDX-License-Identifier: MIT */
/* What the command says when something is wrong, one line on standard error, "gcalloc: THING: CAUSE", and how it exits.
 *
 * The codes are those of env(1) and nohup(1), so that a script can tell "gcalloc failed" from "the program failed".
 */
#ifndef GCI_CLI_MESSAGE_H
#define GCI_CLI_MESSAGE_H

enum exit_code {
    EXIT_OWN_FAILURE = 125, /* gcalloc itself: usage, library not found, no temporary file */
    EXIT_CANNOT_RUN = 126,  /* the program is there and cannot be run with the library */
    EXIT_NOT_FOUND = 127    /* the program, or the interpreter that it names, is not there */
};

/* Prints the line and returns `code`. Control characters (in names of programs) come out as '?', so that the line stays
 * one line and no terminal is told anything. */
int gci_message_fail(int code, const char *thing, const char *cause, ...) __attribute__((format(printf, 3, 4)));

/* The same without a thing: "gcalloc: CAUSE". */
int gci_message_fail_plain(int code, const char *cause, ...) __attribute__((format(printf, 2, 3)));

#endif
