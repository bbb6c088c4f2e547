/* SPDX-License-Identifier: MIT */
/* The moments as JSON: of each one only what has changed since the one before it. Far too many of them are thinned out, so that
 * the page stays small; what was asked for (DUMP, EXIT) always stays.
 */
#ifndef GCI_CLI_HTML_DATA_MOMENTS_H
#define GCI_CLI_HTML_DATA_MOMENTS_H

#include "cli/html/data/columns.h"
#include "cli/html/data/rows.h"

void gci_moments_write(struct json *json, const struct profile *profile, const struct page_rows *rows);

#endif
