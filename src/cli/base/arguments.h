/* SPDX-License-Identifier: MIT */
/* The words of the command line, as all subcommands take them. A subcommand has a table of its options, each of which says what
 * it sets in the subcommand's struct; tables that several share are parts of theirs. What is wrong is told in one line.
 */
#ifndef GCI_CLI_ARGUMENTS_H
#define GCI_CLI_ARGUMENTS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum arguments_kind { ARGUMENTS_TAKE, ARGUMENTS_FLAG, ARGUMENTS_TEXT, ARGUMENTS_NUMBER, ARGUMENTS_CHOICE };

struct arguments_option {
    const char *name;
    char letter;       /* 0: it has a long name alone */
    const char *value; /* what the help calls its value; NULL: it takes none */
    bool may_lack;     /* its value */
    const char *help;
    const char *choices; /* the values that there are, separated by '|'; NULL: any */
    enum arguments_kind kind;
    size_t at;      /* of what it sets */
    uint64_t least; /* ARGUMENTS_NUMBER */
    /* ARGUMENTS_TAKE: false after one line. `value` is NULL where it lacks. */
    bool (*take)(void *input, const char *value);
};

/* What an option sets; a member of another type than the option's does not compile. A choice sets its place among `choices`, from
 * 0 on. */
#define ARGUMENTS_SET_FLAG(type, member) .kind = ARGUMENTS_FLAG, .at = ARGUMENTS_AT_(type, member, bool)
#define ARGUMENTS_SET_TEXT(type, member) .kind = ARGUMENTS_TEXT, .at = ARGUMENTS_AT_(type, member, const char *)
#define ARGUMENTS_SET_NUMBER(type, member) .kind = ARGUMENTS_NUMBER, .at = ARGUMENTS_AT_(type, member, uint64_t)
#define ARGUMENTS_SET_CHOICE(type, member) .kind = ARGUMENTS_CHOICE, .at = ARGUMENTS_AT_(type, member, unsigned)
#define ARGUMENTS_AT_(type, member, wanted) (offsetof(type, member) + _Generic(((type *)0)->member, wanted : 0))

/* All words that are left; an option behind them is theirs. */
#define ARGUMENTS_REST INT_MAX

struct arguments {
    const char *words;                      /* what follows the options, for the help */
    const char *about;                      /* "what it does\vwhat else there is to say" */
    const struct arguments_option *options; /* up to one without a name; NULL: none */
    const struct arguments_part {
        const struct arguments *arguments;
        size_t at; /* of the part's struct */
    } * parts;     /* up to one without arguments; NULL: none */
    /* How many of `words`, which are no options, it takes; 0 leaves the first to its parts; -1 after one line. NULL: none. */
    int (*take_words)(void *input, char **words, bool is_quoted);
    bool has_program; /* options behind the first word are not ours */
};

/* Parses the words after the subcommand's name. False: nothing is left to do, *code is the exit code and all is said. */
bool gci_arguments_parse(const struct arguments *arguments, int argc, char **argv, const char *command, void *input,
                         int *code);

/* Prints the help of one subcommand on standard output; the exit code. */
int gci_arguments_help(const struct arguments *arguments, const char *command);

/* The place of the word among `words`, which are separated by '|', from 0 on. -1 after one line that names the option, such as
 * "--mode", and all of them. */
int gci_arguments_choice(const char *option, const char *words, const char *word);

/* A number that may end in K, M or G; false after one line. */
bool gci_arguments_bytes(const char *option, const char *text, uint64_t *value);

#endif
