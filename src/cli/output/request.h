/* SPDX-License-Identifier: MIT */
/* What the subcommands that write a profile in another form share: their options, and the way from the profile's file to a
 * stream that is there in full or not at all. */
#ifndef GCI_CLI_REQUEST_H
#define GCI_CLI_REQUEST_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/output/metric.h"
#include "cli/print/view.h"

struct output_request {
    struct view view;
    const char *output; /* NULL: standard output */
    bool overwrite;
    bool anonymize;
    const char *secret;
    enum metric metric;
};

/* Options --output, --force, --metric, --anonymize and the view's, as a part with a struct output_request. */
extern const struct arguments gci_request_arguments;

/* A request of the subcommand with this name, before its options are read. */
struct output_request gci_request_of(const char *command);

struct output_writer {
    void (*write)(const struct profile *profile, FILE *stream, const void *data); /* errors are the stream's */
    const char *(*lacks)(const struct profile *profile); /* what of it is missing; NULL: nothing; may be NULL */
    const void *data;
    bool is_binary;
};

/* Reads the profile, of a file or of a process, and writes it. The exit code. */
int gci_request_carry_out(const struct output_request *request, const struct output_writer *writer);

#endif
