/* SPDX-License-Identifier: MIT */
/* Rows that several subcommands show. */
#ifndef GCI_CLI_ROWS_H
#define GCI_CLI_ROWS_H

#include "cli/profile/totals.h"

#define ROWS_BAR_COLUMNS 8
#define ROWS_PLACE_COLUMN (10 + 1 + 12 + 2 + ROWS_BAR_COLUMNS + 2) /* where places stand */

/* "redis-server --port 7000   (process 4711)", with a newline. */
void gci_rows_command(const struct profile *profile);

/* What the columns of the next are. */
void gci_rows_head(void);

/* "where": a frame by its number, or null for TOTALS_NO_FRAME. */
void gci_rows_where_json(const struct profile *profile, uint32_t frame);

/* Bytes, objects, share and place of one site. */
void gci_rows_site(const struct profile *profile, const struct totals *totals, uint32_t site, enum total total);

#endif
