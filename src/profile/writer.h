/* SPDX-License-Identifier: MIT */
/* Records of base/profile_format.h on their way into a file: gathered in a buffer, written as whole pieces.
 *
 * One writer for the profile that is on, and one at a time for a copy at another place; callers hold the lock of the file
 * (profile.c). After the first failure nothing more is taken: what was written before stays good.
 */
#ifndef GCI_PROFILE_WRITER_H
#define GCI_PROFILE_WRITER_H

#include "base/profile_format.h"
#include "heap/heap.h"
#include "platform/env.h"

#define WRITER_BUFFER_BYTES ((size_t)1 << 18)

struct writer {
    struct growing_file *file;
    char *buffer; /* WRITER_BUFFER_BYTES */
    size_t used;
    size_t record_at;      /* of the record that is being made */
    int error;             /* 0, or why the writing has ended */
    int missing;           /* 0, or why a moment could not be gathered */
    bool is_copy;          /* a file of its own: everything is new to it */
    uint32_t stacks_known; /* copy: it has those up to that number */
};

/* A record: begin, parts of its payload, end. */
void gci_writer_begin(struct writer *writer, enum profile_kind kind);
void gci_writer_add(struct writer *writer, const void *bytes, size_t count);
void gci_writer_add_string(struct writer *writer, const char *string);
void gci_writer_end(struct writer *writer);

/* A record of one struct. */
void gci_writer_record(struct writer *writer, enum profile_kind kind, const void *bytes, size_t count);

/* What is in the buffer goes into the file. */
void gci_writer_flush(struct writer *writer);

/* Records of what is mapped as code now, and that the file does not know yet. */
void gci_writer_mappings(struct writer *writer);

/* A thread, or a stack with its place, if the file does not know it yet. Number 0 stands for itself, and for a thread that the
 * session does not know: gci_writer_thread returns the number that the file has. */
uint32_t gci_writer_thread(struct writer *writer, uint32_t number);
void gci_writer_stack(struct writer *writer, uint32_t number);
void gci_writer_stacks(struct writer *writer); /* all */
bool gci_writer_knows_stack(const struct writer *writer, uint32_t number);

/* A new file knows nothing. */
void gci_writer_forget_known(void);

#endif
