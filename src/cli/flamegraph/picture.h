/* SPDX-License-Identifier: MIT */
/* The picture itself. Calls go down: the outermost is at the top. A frame is as wide as its share; siblings are in the order of
 * their names, so that two pictures of one program can be compared. Only the FRAMES_MOST widest frames are drawn.
 */
#ifndef GCI_CLI_PICTURE_H
#define GCI_CLI_PICTURE_H

#include <stdio.h>

#include "cli/output/metric.h"

/* `metric` points at an enum metric. */
void gci_picture_write(const struct profile *profile, FILE *stream, const void *metric);

/* flamegraph.css and flamegraph.js, put into the program by the build. */
extern const char gci_picture_style[];
extern const char gci_picture_script[];

#endif
