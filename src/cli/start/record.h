/* SPDX-License-Identifier: MIT */
/* The lines that the library appends to GCALLOC_STATS_FILE, one for each process that exited normally:
 *
 *   pid=123 name=prog cycles=4 given_up=0 pause_total_ns=3210000 ...
 *
 * Keys that are not known here are passed over, so that a newer library may add some. A line that lacks a key, has one
 * twice or holds anything else (the disk was full, the program wrote into the file) is counted and left out.
 */
#ifndef GCI_CLI_RECORD_H
#define GCI_CLI_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define RECORD_NAME_BYTES 256

/* Figures that every line has; RECORD_SUM and RECORD_LARGEST say how those of several processes become one. */
#define RECORD_FIGURES                                                                                                 \
    RECORD_SUM(cycles)                                                                                                 \
    RECORD_SUM(given_up)                                                                                               \
    RECORD_SUM(pause_total_ns)                                                                                         \
    RECORD_LARGEST(pause_longest_ns)                                                                                   \
    RECORD_LARGEST(heap_peak_bytes)                                                                                    \
    RECORD_SUM(live_bytes)                                                                                             \
    RECORD_SUM(reclaimed_bytes)                                                                                        \
    RECORD_SUM(reclaimed_objects)                                                                                      \
    RECORD_SUM(leaked_bytes)                                                                                           \
    RECORD_SUM(leaked_objects)                                                                                         \
    RECORD_SUM(released_bytes)

struct record {
    uint64_t pid;
    char name[RECORD_NAME_BYTES]; /* letters, digits and ._+-? only */
#define RECORD_SUM(figure) uint64_t figure;
#define RECORD_LARGEST(figure) uint64_t figure;
    RECORD_FIGURES
#undef RECORD_SUM
#undef RECORD_LARGEST
};

struct record_totals {
    uint64_t processes;   /* records counted */
    uint64_t damaged;     /* lines left out */
    struct record merged; /* pid and name: of the process with the highest heap_peak_bytes */
};

/* `line` without its newline. */
bool gci_record_parse(const char *line, struct record *record);

/* Adds every line of the stream to *totals. False: the stream could not be read to its end, errno is set. */
bool gci_record_read_all(FILE *stream, struct record_totals *totals);

#endif
