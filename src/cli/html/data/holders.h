/* SPDX-License-Identifier: MIT */
/* What graph.h found, for the page: sites, groups of some weight, and for the sites that retain most a way from a root. */
#ifndef GCI_CLI_HTML_DATA_HOLDERS_H
#define GCI_CLI_HTML_DATA_HOLDERS_H

#include "cli/html/data/columns.h"
#include "cli/html/data/names.h"

/* Nothing where the profile has no graph. */
void gci_holders_write(struct json *json, const struct profile *profile, const struct page_names *names);

#endif
