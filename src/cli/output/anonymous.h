/* SPDX-License-Identifier: MIT */
/* A profile that may be shown to others: every name of a function, file, module or thread and every word of the command line
 * is a token, build ids and addresses of code are gone. Equal names have equal tokens, in every export that was made with
 * the same secret; who does not know the secret cannot try names out.
 */
#ifndef GCI_CLI_ANONYMOUS_H
#define GCI_CLI_ANONYMOUS_H

#include "cli/profile/profile.h"

struct anonymous {
    struct profile profile; /* shares all but names with the one that it was made of */
    char *texts;            /* all tokens */
};

/* `secret` may be empty. The profile must stay as long as the copy. */
struct anonymous *gci_anonymous_make(const struct profile *profile, const char *secret);
void gci_anonymous_forget(struct anonymous *anonymous);

#endif
