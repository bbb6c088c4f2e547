/* SPDX-License-Identifier: MIT */
/* The rows of all moments together: each pair of a stack and a thread once, and the latest that is known of it.
 *
 * A moment in the course of a run lists only what lives then, so a pair that is missing has nothing alive, and its sums are as
 * they were. PEAK moments stand aside: their rows say what lived at the peak and nothing of sums.
 */
#ifndef GCI_CLI_HTML_DATA_ROWS_H
#define GCI_CLI_HTML_DATA_ROWS_H

#include "cli/base/numbers.h"
#include "cli/profile/profile.h"

struct page_row {
    uint32_t stack, thread;
    const struct profile_figures *figures; /* where the profile ends; NULL: only a peak has the row */
};

struct page_rows {
    struct page_row *rows;
    uint32_t count;
    size_t room;
    struct numbers numbers; /* of rows, by stack and thread */
};

void gci_rows_gather(struct page_rows *rows, const struct profile *profile);
uint32_t gci_rows_find(const struct page_rows *rows, const struct profile_figures *figures); /* NUMBERS_NONE: none */
void gci_rows_forget(struct page_rows *rows);

#endif
