/* SPDX-License-Identifier: MIT */
/* As much of the protocol buffers' encoding as pprof needs, compressed by gzip on its way to a stream. A message within the
 * outermost one is put together in memory, because its length comes first; fields that are zero are left out, as they are
 * by others.
 */
#ifndef GCI_CLI_PROTOBUF_H
#define GCI_CLI_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <zlib.h>

/* Bytes of one message. */
struct message {
    unsigned char *bytes;
    size_t used, room;
};

/* Just these bytes, as part of what is no field yet. */
void gci_message_bytes(struct message *message, const void *bytes, size_t length);
void gci_message_number(struct message *message, unsigned field, uint64_t value);
void gci_message_text(struct message *message, unsigned field, const char *text, size_t length);
/* A repeated field of numbers, packed: all of them, zeros too. */
void gci_message_numbers(struct message *message, unsigned field, const uint64_t *values, size_t count);
/* `inner` becomes a field of `message`, and is empty then. */
void gci_message_add(struct message *message, unsigned field, struct message *inner);
void gci_message_forget(struct message *message);

struct gzip {
    FILE *stream;
    z_stream state;
};

void gci_gzip_begin(struct gzip *gzip, FILE *stream);
/* Writes what the message has, and empties it. */
void gci_gzip_put(struct gzip *gzip, struct message *message);
void gci_gzip_end(struct gzip *gzip);

#endif
