/* SPDX-License-Identifier: MIT */
/* A profile for the page's script (columns.h). What the columns mean stands in script/model.js, which reads them; names are
 * those of profile_format.h, shortened.
 */
#ifndef GCI_CLI_HTML_DATA_DATA_H
#define GCI_CLI_HTML_DATA_DATA_H

#include <stdio.h>

#include "cli/html/data/names.h"

void gci_data_write(FILE *json, const struct profile *profile);

#endif
