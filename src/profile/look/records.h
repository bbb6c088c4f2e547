/* SPDX-License-Identifier: MIT */
/* Records of a profile (base/profile_format.h) that are arrays: entries are gathered and written a piece at a time, each piece a
 * record. No allocation, no lock: also while the world is stopped. After a failure nothing more is written, so that the file
 * stays good up to there.
 */
#ifndef GCI_PROFILE_LOOK_RECORDS_H
#define GCI_PROFILE_LOOK_RECORDS_H

#include <stddef.h>

#include "base/profile_format.h"

#define RECORDS_PIECE_BYTES ((size_t)192 << 10) /* of entries of 24 and 16 bytes alike it holds a whole number */

struct records {
    int file;
    int failure; /* errno of the first write that failed; 0 */
    struct profile_record record;
    char entries[RECORDS_PIECE_BYTES];
};

/* There is one, in memory that is no root: its entries are full of addresses. 0; ENOMEM; EBUSY: it is in use. */
int gci_records_open(struct records **records, int file);
int gci_records_close(struct records *records); /* the failure, or 0 */
void gci_records_reset(void);                   /* fork child */

/* One more entry, of a size that RECORDS_PIECE_BYTES is a multiple of. Entries of one kind follow each other. */
void gci_records_add(struct records *records, enum profile_kind kind, const void *entry, size_t bytes);

/* A record of its own: `bytes` of payload, filled up. */
void gci_records_write(struct records *records, enum profile_kind kind, const void *payload, size_t bytes);

#endif
