/* SPDX-License-Identifier: MIT */
/* The figures of a run, for people and for programs. */
#ifndef GCI_CLI_TABLE_H
#define GCI_CLI_TABLE_H

#include <stdio.h>

#include "cli/start/record.h"

/* How the started program ended: as waitpid says it. */
struct outcome {
    const char *program; /* as the user typed it */
    int wait_status;
};

/* A table of at most 80 columns. Where no record came, one line that says why not. */
void gci_table_print(FILE *stream, const struct record_totals *totals, const struct outcome *outcome);

/* One line: a JSON object. */
void gci_table_print_json(FILE *stream, const struct record_totals *totals, const struct outcome *outcome);

#endif
