/* SPDX-License-Identifier: MIT */
/* Text of others, names above all, within JSON, XML and lines. Names are bytes: what is no UTF-8 comes out as U+FFFD, and so do
 * control characters where the format has no way to write them. */
#ifndef GCI_CLI_ESCAPE_H
#define GCI_CLI_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Bytes of the character that `text` begins with; 0: it is no UTF-8 (or the end). */
size_t gci_escape_character(const char *text);

/* Whether it is UTF-8 without control characters; a copy that is, for free(). */
bool gci_escape_is_clean(const char *text);
char *gci_escape_clean(const char *text);

/* With the quotes; NULL is null. */
void gci_escape_json(FILE *stream, const char *text);

/* Without them, for a part of a string. */
void gci_escape_json_inner(FILE *stream, const char *text);

/* For the content of elements and for attributes. */
void gci_escape_xml(FILE *stream, const char *text);

/* For one field of a line: control characters are spaces, `separator` a colon. */
void gci_escape_field(FILE *stream, const char *text, char separator);

/* Decimal digits. fprintf takes four times as long, and large profiles are mostly numbers. */
void gci_escape_number(FILE *stream, uint64_t number);

#endif
