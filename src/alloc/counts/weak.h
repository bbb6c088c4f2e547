/* SPDX-License-Identifier: MIT */
/* Weak references to counted objects: an entry that all of one object share, with its address, hidden from the collector.
 *
 * Who has found out that no reference is left cuts the entry before the object is destroyed, under the lock that each use of an
 * entry takes. So who uses it finds nothing, or an object that is still whole, and counts it only while that has an end ahead:
 * nobody adds to a sum of 0. Inside, no lock of counts is taken (alloc/counts/count.h).
 */
#ifndef GCI_ALLOC_WEAK_H
#define GCI_ALLOC_WEAK_H

#include <stdbool.h>

#include "heap/special/counted.h"

/* The entry that weak references of the object share, in memory that is collected; NULL when there is none to be had. */
void *gci_weak_entry(struct counted *counted);

/* The retained object of an entry, or NULL once it is gone. `retain` says whether any reference was left. */
typedef bool (*weak_retain_fn)(struct counted *counted);
void *gci_weak_get(const void *entry, weak_retain_fn retain);

/* No reference to the object, which has an entry, is left: from here on nobody finds it. */
void gci_weak_cut(struct counted *counted);

/* For fork, and whether the calling thread is inside. */
void gci_weak_lock(void);
void gci_weak_unlock(void);
void gci_weak_reset_lock(void);
bool gci_weak_is_locked(void);

#endif
