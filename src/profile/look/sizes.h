/* SPDX-License-Identifier: MIT */
/* How the heap's memory is divided by size, as records of a profile: all objects, whether anything is known of them or not.
 * Callers hold the lock of the file (profile/profile.h).
 */
#ifndef GCI_PROFILE_LOOK_SIZES_H
#define GCI_PROFILE_LOOK_SIZES_H

#include "profile/writer.h"

/* Of each size class that has blocks, and of large objects. Other threads go on meanwhile: figures. */
void gci_sizes_write(struct writer *writer);

#endif
