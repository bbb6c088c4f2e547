/* SPDX-License-Identifier: MIT */
#include "cli/base/arguments.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/message.h"

#define OPTION_BYTES 80 /* an option with as much of its word as a line needs to be understood */

/* getopt puts argv[0] in front of its messages: with "gcalloc: run" they read as all our others do. */
bool gci_arguments_parse(const struct argp *argp, unsigned flags, int argc, char **argv, const char *command,
                         void *input, const bool *help, int *code)
{
    char prefix[64], *given = argv[0];
    snprintf(prefix, sizeof prefix, "gcalloc: %s", command);
    argv[0] = prefix;
    error_t error = argp_parse(argp, argc, argv, flags | ARGP_NO_HELP, NULL, input);
    argv[0] = given;
    if (error == 0 && !*help)
        return true;
    *code = error != 0 ? EXIT_OWN_FAILURE : gci_arguments_help(argp, command);
    return false;
}

int gci_arguments_help(const struct argp *argp, const char *command)
{
    char name[64];
    snprintf(name, sizeof name, "gcalloc %s", command);
    argp_help(argp, stdout, ARGP_HELP_LONG | ARGP_HELP_USAGE | ARGP_HELP_DOC, name);
    if (fflush(stdout) != 0)
        return gci_message_fail(EXIT_OWN_FAILURE, "standard output", "%s", strerror(errno));
    return 0;
}

int gci_arguments_choice(const char *option, const char *words, const char *word)
{
    char given[OPTION_BYTES];
    size_t length = strlen(word), here;
    int place = 0;
    for (const char *at = words;; at += here + 1, place++) {
        here = strcspn(at, "|");
        if (here == length && memcmp(at, word, length) == 0)
            return place;
        if (at[here] == '\0')
            break;
    }
    snprintf(given, sizeof given, "%s=%.40s", option, word);
    return gci_message_fail(-1, given, "not one of %s", words);
}

bool gci_arguments_number(const char *option, const char *text, uint64_t least, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 0);
    if (errno == 0 && end != text && *end == '\0' && text[0] >= '0' && text[0] <= '9' && *value >= least)
        return true;
    return gci_message_fail(false, option, "%.40s is no number from %" PRIu64 " on", text, least);
}

bool gci_arguments_bytes(const char *option, const char *text, uint64_t *value)
{
    static const char units[] = "KMG";
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    bool is_right = errno == 0 && end != text && text[0] >= '0' && text[0] <= '9' && end[unit ? 1 : 0] == '\0' &&
                    *value <= UINT64_MAX >> shift;
    *value <<= shift;
    return is_right || gci_message_fail(false, option, "%.40s is no number of bytes, such as 4096, 64K or 1M", text);
}
