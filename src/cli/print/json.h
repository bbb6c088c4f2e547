/* SPDX-License-Identifier: MIT */
/* JSON on standard output, as it is made: commas come by themselves. What is no UTF-8 in a text becomes U+FFFD. */
#ifndef GCI_CLI_JSON_H
#define GCI_CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/profile/profile.h"

/* `key` is NULL within an array and for the outermost value. */
void gci_json_open(const char *key, char bracket); /* '{' or '[' */
void gci_json_close(char bracket);                 /* '}' or ']' */
void gci_json_number(const char *key, uint64_t value);
void gci_json_signed(const char *key, int64_t value);
void gci_json_real(const char *key, double value);
void gci_json_flag(const char *key, bool value);
void gci_json_text(const char *key, const char *text); /* NULL: null */

/* {"function", "file", "line", "module", "offset"}; null where unknown. */
void gci_json_frame(const char *key, const struct profile *profile, const struct profile_frame *frame);
/* An array of those, innermost first, without the allocator's own. */
void gci_json_stack(const char *key, const struct profile *profile, uint32_t stack);

#endif
