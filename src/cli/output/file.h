/* SPDX-License-Identifier: MIT */
/* Where an export, a page or a picture goes: standard output, or a file that is all there or not there. It is written beside its
 * place under a name of ours and moved there at the very end; one that exists is only replaced when asked to. What has been
 * written so far goes when the command ends before that: of an error, without memory, by a signal. One file at a time.
 *
 * Where the folder takes no new file and there is one that may be written, it is written in place: what it was stays until there
 * is something to write. */
#ifndef GCI_CLI_FILE_H
#define GCI_CLI_FILE_H

#include <stdbool.h>
#include <stdio.h>

struct output_file {
    FILE *stream;
    const char *path; /* NULL: standard output */
    int descriptor;
    int error;         /* errno of the first write that failed, which the stream alone would forget */
    char *destination; /* the place of a plain file; NULL: none */
    bool overwrite;    /* what stands there */
    bool has_old;      /* what is written in place still is what it was */
};

/* Whether this word on the command line, "-", means standard output. */
bool gci_file_is_standard_output(const char *word);

/* `path` NULL or "-": standard output, which must be no terminal if `is_binary`. 0, or the exit code after one line. */
int gci_file_open(struct output_file *file, const char *path, bool overwrite, bool is_binary);

/* The exit code, after one line where not all could be written. */
int gci_file_close(struct output_file *file);

#endif
