/* SPDX-License-Identifier: MIT */
/* Leaks as text, in the form of LeakSanitizer's reports, which tools know how to read. Frames are addresses and places in
 * files: names are for the command, which has all the time for debug information. World running.
 */
#ifndef GCI_PROFILE_LOOK_LEAK_REPORT_H
#define GCI_PROFILE_LOOK_LEAK_REPORT_H

#include <stdbool.h>

#include "profile/look/leak_groups.h"

/* The kinds' totals, then the groups. False: not all of it could be written. */
bool gci_leak_report_write(int file, const struct leak_groups *found);

#endif
