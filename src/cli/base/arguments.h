/* SPDX-License-Identifier: MIT */
/* The words of the command line, as all subcommands take them: options by argp, with one line for what is wrong, and the values
 * that options have.
 */
#ifndef GCI_CLI_ARGUMENTS_H
#define GCI_CLI_ARGUMENTS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

/* Parses the words after the subcommand's name. *help: whether --help was among them, as the parser has noted it. False: nothing
 * is left to do, *code is the exit code and all is said. */
bool gci_arguments_parse(const struct argp *argp, unsigned flags, int argc, char **argv, const char *command,
                         void *input, const bool *help, int *code);

/* Prints the help of one subcommand on standard output; the exit code. */
int gci_arguments_help(const struct argp *argp, const char *command);

/* The place of the word among `words`, which are separated by '|', from 0 on. -1 after one line that names the option, such as
 * "--mode", and all of them. */
int gci_arguments_choice(const char *option, const char *words, const char *word);

/* A number, from `least` on; false after one line. Bytes may end in K, M or G. */
bool gci_arguments_number(const char *option, const char *text, uint64_t least, uint64_t *value);
bool gci_arguments_bytes(const char *option, const char *text, uint64_t *value);

#endif
