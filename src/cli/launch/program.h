/* SPDX-License-Identifier: MIT */
/* From the words that the user typed to a file that can be run with the library: the search along PATH and every reason
 * why preloading would fail or be ignored, found before anything runs.
 *
 * The checks are advice, not a fence: a file may change between them and exec.
 */
#ifndef GCI_CLI_PROGRAM_H
#define GCI_CLI_PROGRAM_H

struct program {
    const char *path; /* for execv */
    char **words;     /* for execv, NULL at the end */
};

/* `words` are the program's name and arguments, NULL at the end; `library` is the file that will be preloaded. 0, or
 * the exit code after one line was printed. What *program points to stays until the process ends. */
int gci_program_find(struct program *program, char **words, const char *library);

#endif
