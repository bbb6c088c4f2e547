/* SPDX-License-Identifier: MIT */
#include "cli/export/protobuf.h"

#include <stdlib.h>
#include <string.h>

#include "cli/base/memory.h"

#define VARINT_BYTES 10
#define GZIP_WINDOW (15 + 16) /* the largest, with gzip's header */
#define MEMORY_LEVEL 9
#define CHUNK_BYTES (1 << 16)

enum wire_type { WIRE_VARINT = 0, WIRE_BYTES = 2 };

/* ---- Messages ---- */

static unsigned char *reserve(struct message *message, size_t bytes)
{
    message->bytes = gci_memory_grow(message->bytes, &message->room, message->used + bytes, 1);
    return message->bytes + message->used;
}

static void put_varint(struct message *message, uint64_t value)
{
    unsigned char *at = reserve(message, VARINT_BYTES), *first = at;
    for (; value >= 0x80; value >>= 7)
        *at++ = (unsigned char)(value | 0x80);
    *at++ = (unsigned char)value;
    message->used += (size_t)(at - first);
}

static void put_key(struct message *message, unsigned field, enum wire_type type)
{
    put_varint(message, field << 3 | type);
}

void gci_message_bytes(struct message *message, const void *bytes, size_t length)
{
    if (length > 0)
        memcpy(reserve(message, length), bytes, length);
    message->used += length;
}

void gci_message_number(struct message *message, unsigned field, uint64_t value)
{
    if (value == 0)
        return;
    put_key(message, field, WIRE_VARINT);
    put_varint(message, value);
}

void gci_message_text(struct message *message, unsigned field, const char *text, size_t length)
{
    put_key(message, field, WIRE_BYTES);
    put_varint(message, length);
    gci_message_bytes(message, text, length);
}

static size_t varint_length(uint64_t value)
{
    size_t length = 1;
    while (value >= 0x80) {
        value >>= 7;
        length++;
    }
    return length;
}

void gci_message_numbers(struct message *message, unsigned field, const uint64_t *values, size_t count)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += varint_length(values[i]);
    put_key(message, field, WIRE_BYTES);
    put_varint(message, length);
    for (size_t i = 0; i < count; i++)
        put_varint(message, values[i]);
}

void gci_message_add(struct message *message, unsigned field, struct message *inner)
{
    gci_message_text(message, field, (const char *)inner->bytes, inner->used);
    inner->used = 0;
}

void gci_message_forget(struct message *message)
{
    free(message->bytes);
    *message = (struct message){0};
}

/* ---- Compression ---- */

void gci_gzip_begin(struct gzip *gzip, FILE *stream)
{
    *gzip = (struct gzip){.stream = stream};
    if (deflateInit2(&gzip->state, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        gci_memory_give_up(); /* the only cause that is left */
}

static void compress_some(struct gzip *gzip, unsigned char *bytes, size_t count, int flush)
{
    unsigned char compressed[CHUNK_BYTES];
    gzip->state.next_in = bytes;
    gzip->state.avail_in = (uInt)count;
    do {
        gzip->state.next_out = compressed;
        gzip->state.avail_out = sizeof compressed;
        deflate(&gzip->state, flush);
        /* The stream remembers a failure. */
        (void)fwrite(compressed, 1, sizeof compressed - gzip->state.avail_out, gzip->stream);
    } while (gzip->state.avail_out == 0);
}

void gci_gzip_put(struct gzip *gzip, struct message *message)
{
    for (size_t at = 0, some; at < message->used; at += some) {
        some = message->used - at < CHUNK_BYTES ? message->used - at : CHUNK_BYTES;
        compress_some(gzip, message->bytes + at, some, Z_NO_FLUSH);
    }
    message->used = 0;
}

void gci_gzip_end(struct gzip *gzip)
{
    compress_some(gzip, NULL, 0, Z_FINISH);
    deflateEnd(&gzip->state);
}
