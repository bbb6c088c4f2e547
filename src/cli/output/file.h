/* SPDX-License-Identifier: MIT */
/* Where an export, a page or a picture goes: standard output, or a file that is all there or not there. One that exists is only
 * replaced when asked to, and then at the very end, so that a full disk leaves the old one as it was. */
#ifndef GCI_CLI_FILE_H
#define GCI_CLI_FILE_H

#include <stdbool.h>
#include <stdio.h>

struct output_file {
    FILE *stream;
    const char *path; /* NULL: standard output */
    int descriptor;
    int error;         /* errno of the first write that failed, which the stream alone would forget */
    char *written;     /* the file being written, removed where anything fails; NULL: none of ours */
    char *destination; /* what `written` is renamed to; NULL: it has its name */
};

/* Whether this word on the command line, "-", means standard output. */
bool gci_file_is_standard_output(const char *word);

/* `path` NULL or "-": standard output, which must be no terminal if `is_binary`. 0, or the exit code after one line. */
int gci_file_open(struct output_file *file, const char *path, bool overwrite, bool is_binary);

/* `code` is that of the writing so far: the file only stays where it is 0 and all could be written. The exit code. */
int gci_file_close(struct output_file *file, int code);

#endif
