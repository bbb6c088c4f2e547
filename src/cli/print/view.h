/* SPDX-License-Identifier: MIT */
/* What every subcommand that shows a profile shares: its options, the way from a word of the command line to a profile, and
 * the end of its output.
 */
#ifndef GCI_CLI_VIEW_H
#define GCI_CLI_VIEW_H

#include <stdbool.h>

#include "cli/base/arguments.h"
#include "cli/profile/profile.h"

#define VIEW_WORDS_MOST 2

/* What a running process can be asked for (profile/look/request.c). */
#define VIEW_FIGURES "leaks" /* with the leaks as they are now */
#define VIEW_GRAPH "graph"   /* with all objects, too */

struct view {
    const char *command; /* name of the subcommand, for messages and help */
    int least, most;     /* words that it takes */
    const char *what;    /* "a profile or a process is", for the message when there are too few */
    const char *ask;     /* of a running process: what its profile is to have, VIEW_FIGURES if NULL */
    bool shows_objects;  /* of a running process: there need be no profile on in it */
    bool follows;        /* of a running process: the file that it is writing is shown instead */
    bool json;
    bool no_symbols;
    const char *words[VIEW_WORDS_MOST];
    int count;
};

/* Options --json, --no-symbols, --debug-path and the words, as a part with a struct view. */
extern const struct arguments gci_view_arguments;

/* Parses the words after the subcommand's name. False: nothing to show, *code is the exit code and all is said. */
bool gci_view_parse(const struct arguments *arguments, int argc, char **argv, struct view *view, void *input,
                    int *code);

/* The profile of a file, or of a running process if the word is a number and no file has that name. NULL after one line.
 * `follow`: it is still being written. */
struct profile *gci_view_read(const struct view *view, const char *word);
struct profile *gci_view_follow(const struct view *view, const char *word);

/* Whether the word is such a number. */
bool gci_view_is_process(const char *word);
bool gci_view_is_running(const char *word); /* and there is a process of that number */

/* Ends standard output; `code`, or that of its failure. */
int gci_view_finish(int code);

#endif
