/* SPDX-License-Identifier: MIT */
/* Leaks that nobody wants to hear of, in the format of LeakSanitizer: lines of `leak:PATTERN`. A pattern is found anywhere in
 * the name of a function, a source file or a module of the stack; '*' stands for any text, '^' and '$' for the two ends.
 */
#ifndef GCI_CLI_SUPPRESSIONS_H
#define GCI_CLI_SUPPRESSIONS_H

#include "cli/profile/profile.h"

struct suppressions {
    char **patterns;
    size_t count, room;
};

/* False after one line: the file cannot be read, or a line of it is none. */
bool gci_suppressions_read(struct suppressions *suppressions, const char *path);
void gci_suppressions_forget(struct suppressions *suppressions);

bool gci_suppressions_cover(const struct suppressions *suppressions, const struct profile *profile, uint32_t stack);

#endif
