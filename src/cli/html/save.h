/* SPDX-License-Identifier: MIT */
/* report --html: its options, and the page as a file. */
#ifndef GCI_CLI_HTML_SAVE_H
#define GCI_CLI_HTML_SAVE_H

#include <stdbool.h>

#include "cli/print/view.h"

struct save {
    bool html;           /* it was asked for */
    const char *output;  /* NULL: the profile's name with .html, in the working directory; "-": standard output */
    bool overwrite;      /* a file that exists */
    const char *compare; /* the earlier profile, or NULL */
};

/* Options --html, --output, --force and --compare, as a part with a struct save. */
extern const struct arguments gci_save_arguments;

/* 0, or the exit code after one line: options that do not go together. */
int gci_save_check(const struct save *save, const struct view *view);

/* The exit code, after one line where it fails; where the page went is said on standard output. */
int gci_save_page(const struct save *save, const struct view *view, const struct profile *profile);

#endif
