/* SPDX-License-Identifier: MIT */
/* A line of text built without allocation, locale or stdio: for messages that must come out in any state of the process.
 *
 * Text that does not fit is cut; the last byte is always the terminator.
 */
#ifndef GCI_BASE_TEXT_H
#define GCI_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_BYTES 1024

struct text {
    size_t length;
    char bytes[TEXT_BYTES];
};

void gci_text_init(struct text *text);
void gci_text_add(struct text *text, const char *string);
void gci_text_add_limited(struct text *text, const char *string, size_t limit);
void gci_text_add_decimal(struct text *text, uint64_t value);
void gci_text_add_address(struct text *text, uintptr_t value); /* 0x and lower-case hexadecimal */
void gci_text_add_size(struct text *text, uint64_t bytes);     /* "12.4 MiB" */
void gci_text_add_milliseconds(struct text *text, uint64_t nanoseconds, unsigned decimals);

/* Numbers as options and kernel files write them. Each reads from *at, moves *at past what it took and returns false,
 * leaving *at alone, where there is no digit or the value passes 2^64. */
bool gci_text_read_decimal(const char **at, uint64_t *value);
bool gci_text_read_hex(const char **at, uint64_t *value);

/* A whole string as a number of bytes: digits and an optional K, M, G or T (powers of 1024). */
bool gci_text_parse_bytes(const char *string, uint64_t *value);

bool gci_text_equals(const char *a, const char *b);
bool gci_text_starts_with(const char *string, const char *prefix);

#endif
