/* SPDX-License-Identifier: MIT */
/* What every subcommand that starts a program shares: the options that set up the library in it, where libgcalloc.so
 * is, and the environment that brings it in.
 */
#ifndef GCI_CLI_PRELOAD_H
#define GCI_CLI_PRELOAD_H

#include <stdbool.h>

#include "cli/base/arguments.h"
#include "cli/launch/program.h"

struct launch {
    const char *command; /* name of the subcommand, for messages and help */
    const char *mode;    /* NULL: as the environment has it */
    bool verbose;
    char **words; /* the program and its arguments */
};

/* Options --mode, --verbose and the program's words, as a part with a struct launch. */
extern const struct arguments gci_preload_arguments;

/* Parses the words after the subcommand's name. False: nothing to run, *code is the exit code and all is said. */
bool gci_preload_parse(const struct arguments *arguments, int argc, char **argv, struct launch *launch, void *input,
                       int *code);

/* Its second half: whether there is a program. */
bool gci_preload_has_program(const struct launch *launch, int *code);

/* Finds the library, checks the program, and puts the launch into this process's environment, which the program will
 * inherit. 0, or the exit code after one line. */
int gci_preload_prepare(const struct launch *launch, struct program *program);

/* setenv that says what is wrong; 0 or the exit code. */
int gci_preload_setenv(const char *name, const char *value);

#endif
