/* SPDX-License-Identifier: MIT */
#include "cli/base/choice.h"

#include <stdio.h>
#include <string.h>

#include "cli/base/message.h"

#define OPTION_BYTES 80 /* with as much of the word as a line needs to be understood */

int gci_choice_find(const char *option, const char *words, const char *word)
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
