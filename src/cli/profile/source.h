/* SPDX-License-Identifier: MIT */
/* What lies behind a profile while it is read, shared by reader.c, which opens and reads the file, records.c, which knows what
 * each record means, last.c, which knows where it ends, and names.c, which turns addresses into frames. */
#ifndef GCI_CLI_SOURCE_H
#define GCI_CLI_SOURCE_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/base/memory.h"
#include "cli/base/numbers.h"
#include "cli/profile/profile.h"

/* A stack as the file has it. */
struct raw_stack {
    const uint64_t *addresses; /* return addresses, innermost first */
    uint32_t depth;
    uint32_t line;    /* of the place, */
    const char *file; /* which is there when this is no NULL */
    const char *function;
    size_t modules;  /* so many stand in front of it in the file */
    uint32_t *known; /* numbers of its addresses that have frames; those that are 0 have none and are left out */
    uint32_t known_count;
    bool is_new; /* has no frames yet */
};

/* The frames of an address in a module. */
struct known_address {
    uint32_t first;
    uint32_t count;
};

struct profile_source {
    FILE *file;
    bool no_symbols;
    bool is_growing; /* the end of the file is no fault */
    bool is_damaged; /* nothing more is read */
    uint64_t offset; /* of the next record */
    uint8_t *payload;
    size_t payload_room;
    size_t open_moment;                /* to which rows belong */
    uint64_t last_look_ns[2];          /* for leaks: that are there, and that were collected */
    struct profile_figures *last_rows; /* of the profile's end, where they are no moment's */
    struct raw_stack *stacks;          /* by number, as many as the profile has */
    struct memory_pool pool;           /* of texts and other pieces that do not move */
    struct numbers addresses;          /* that have frames */
    struct numbers placed;             /* the same in modules: pairs of the two numbers */
    struct known_address *known;       /* by their numbers */
    size_t module_room, known_room, frame_room, stack_room, raw_room, thread_room, thread_id_room, usage_room,
        cycle_room, moment_room, row_room, last_room, leak_room, object_room, edge_room, root_room, size_room;
};

/* Takes the record whose payload is in the buffer. False: it is wrong, and nothing was taken. */
bool gci_records_take(struct profile *profile, const struct profile_record *record);
bool gci_records_take_words(struct profile *profile, size_t bytes);

/* The peak is known only when it is over, so moments do not come in order. */
void gci_records_sort_moments(struct profile *profile);

/* Takes out edges and roots that name no object; how many. */
size_t gci_records_finish(struct profile *profile);

/* Finds where the profile ends, so far. */
void gci_last_find(struct profile *profile);

/* Gives frames to stacks that have none. */
void gci_names_find(struct profile *profile);

#endif
