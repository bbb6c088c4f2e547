/* SPDX-License-Identifier: MIT */
/* Figures and names as people read them, in lines of at most 80 columns. Names come from files of others: what could move a
 * terminal's cursor is shown as '?', and what is too long is cut. Widths are columns.
 */
#ifndef GCI_CLI_PRINT_H
#define GCI_CLI_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/profile/profile.h"

#define PRINT_COLUMNS 80
#define CELL_BYTES 48

struct cell {
    char text[CELL_BYTES];
};

struct cell gci_print_bytes(uint64_t bytes);            /* "1.5 MiB" */
struct cell gci_print_change(double bytes);             /* "+1.5 MiB" */
struct cell gci_print_count(uint64_t count);            /* "12,345" */
struct cell gci_print_time(uint64_t nanoseconds);       /* "1.25 ms", "12.5 s", "3 min 20 s" */
struct cell gci_print_share(double part, double whole); /* "42.1 %" */

/* Of a rate or a sum, for the functions above: what is too large for them is the largest that they take. */
uint64_t gci_print_whole(double value);

/* As wide as `columns` (at most 12) where part is the whole; finer than a column where the terminal can show it. */
struct cell gci_print_bar(double part, double whole, unsigned columns);

/* A name in at most `columns`: parameters of C++ go first, then template arguments, then the end. */
void gci_print_function(char *text, size_t bytes, const char *function, unsigned columns);

/* "file.c:12", or "" where it is unknown. */
void gci_print_place(char *text, size_t bytes, const char *file, uint32_t line, unsigned columns);

/* A function and where it is in at most `columns`, without a newline. */
void gci_print_frame(FILE *stream, const struct profile_frame *frame, unsigned columns);

/* A line for each frame but the allocator's own, and at most `most` of them. */
void gci_print_stack(FILE *stream, const struct profile *profile, uint32_t stack, unsigned indent, uint32_t most);

/* Text of others, in at most `columns` (0: all of it). */
void gci_print_text(FILE *stream, const char *text, unsigned columns);

unsigned gci_print_width(const char *text);
bool gci_print_has_blocks(void); /* whether standard output can show more than ASCII */
const char *gci_print_plural(uint64_t count);

#endif
