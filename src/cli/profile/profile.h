/* SPDX-License-Identifier: MIT */
/* A profile in memory: what the records of a file (base/profile_format.h) say, with names for addresses. Everything that shows
 * or exports a profile takes this and nothing else.
 *
 * Numbers of stacks and threads are those of the file and index the arrays; entry 0 is the unknown one. Whatever a record names
 * is there: a file that says otherwise is damaged, and read as far as it is whole. All memory belongs to the profile and goes
 * with gci_profile_forget. Out of memory ends the command with one line.
 */
#ifndef GCI_CLI_PROFILE_H
#define GCI_CLI_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/profile_format.h"
#include "cli/symbols/frame.h"

struct profile_stack_frames {
    const uint32_t *frames; /* indexes, innermost first */
    uint32_t count;
};

struct profile_moment_rows {
    struct profile_moment moment;
    struct profile_figures *rows;
    size_t count;
    size_t number; /* in the file, from 0 */
};

struct profile_source;

struct profile {
    const char *path; /* of the file */
    const char *executable;
    const char *const *words; /* of the command line, NULL at the end */
    struct profile_header header;
    struct profile_end end;
    bool is_complete;     /* it ends with PROFILE_END */
    bool knows_leaks;     /* they have been looked for, to the end */
    uint64_t duration_ns; /* up to the last record with a time */
    struct profile_module *modules;
    size_t module_count;
    struct profile_frame *frames;
    size_t frame_count;
    struct profile_stack_frames *stacks; /* by number; [0]: none */
    size_t stack_count;                  /* with [0] */
    const char **threads;                /* names by number; [0]: "several" */
    uint32_t *thread_system_ids;         /* by number; 0 where unknown */
    size_t thread_count;
    struct profile_usage *usage;
    size_t usage_count;
    struct profile_cycle *cycles;
    size_t cycle_count;
    struct profile_moment_rows *moments; /* in order of time */
    size_t moment_count;
    bool has_last;
    size_t last_at;                  /* index of the moment at which the profile ends */
    struct profile_moment_rows last; /* gci_profile_last; rows may be those of that moment */
    struct profile_leak *leaks;
    size_t leak_count;
    struct profile_object *objects;
    size_t object_count;
    struct profile_edge *edges;
    size_t edge_count;
    struct profile_root *roots;
    size_t root_count;
    struct profile_size *sizes;
    size_t size_count;
    struct profile_source *source; /* how to read on; of reader.c alone */
};

/* Reads and checks the file, and finds names (unless no_symbols). NULL after one line on standard error that names the file
 * and the cause (cannot be opened, is no profile, newer version, no whole header); a file that breaks off is read as far as it
 * goes, with one line that says so. */
struct profile *gci_profile_read(const char *path, bool no_symbols);
void gci_profile_forget(struct profile *profile);

/* As gci_profile_read, of a file that is still being written: that it ends early is nothing to speak of. */
struct profile *gci_profile_follow(const char *path, bool no_symbols);

/* Reads what has been written since. True: something came. Arrays may move, numbers stay. */
bool gci_profile_read_on(struct profile *profile);

/* As what looks up names takes them. */
struct profile_modules gci_profile_modules(const struct profile *profile);

/* The next frame from `at` on that people read: not the allocator's, unless all of them are. The stack's count: there is none. */
uint32_t gci_profile_next_frame(const struct profile *profile, uint32_t stack, uint32_t at);

/* Each look for leaks tells of all that there are, and all that were collected until then: whether this is of the last one. */
bool gci_profile_leak_counts(const struct profile *profile, const struct profile_leak *leak);

/* Where the profile ends, which is what everything shows: the last moment that is no peak, with a row for all that was told of
 * until then, and the last peak (last.c). Of moments that have all their rows, unless none has. NULL: there is none. */
const struct profile_moment_rows *gci_profile_last(const struct profile *profile);
const struct profile_moment_rows *gci_profile_peak(const struct profile *profile);

/* Whether all rows of the moment are there: they are written in several pieces, and a full disk or a kill may come in between. */
bool gci_profile_is_whole(const struct profile_moment_rows *moment);

#endif
