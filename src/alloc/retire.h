/* SPDX-License-Identifier: MIT */
/* What a thread gives back when it ends: counts of its objects, which may destroy some of them, and then its cache and record.
 * Called on that thread, outside critical sections.
 */
#ifndef GCI_ALLOC_RETIRE_H
#define GCI_ALLOC_RETIRE_H

#include <stdbool.h>

/* Its blocks become everybody's, and it uses the shared cache from then on. */
void gci_retire_thread(void);

/* The same for a thread that goes on: its next allocation gives it a cache again. False if it has no cache now. */
bool gci_retire_for_now(void);

#endif
