/* SPDX-License-Identifier: MIT */
/* A profile as one HTML file that needs nothing else: style, script and figures are in it, and what the script would show is
 * there as plain tables for a browser without scripts. No name of the profile can become markup or script: names are escaped,
 * figures packed, and the page allows no script but its own, by its hash.
 */
#ifndef GCI_CLI_HTML_PAGE_H
#define GCI_CLI_HTML_PAGE_H

#include <stdio.h>

#include "cli/profile/profile.h"

/* base: the earlier profile to compare with, or NULL. Whether all could be written the stream says. */
void gci_page_write(FILE *stream, const struct profile *profile, const struct profile *base);

#endif
