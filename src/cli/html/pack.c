/* SPDX-License-Identifier: MIT */
#include "cli/html/pack.h"

#include <stdbool.h>
#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

#include "cli/base/memory.h"

#define GZIP_WINDOW (15 + 16) /* zlib: the largest window, with the header of gzip */
#define MEMORY_LEVEL 8
#define PACKED_BYTES 65536
#define LEVEL 4       /* of 9: much faster than the usual 6, for a twentieth more bytes */
#define LINE_BYTES 96 /* that make 128 columns */

struct pack {
    FILE *stream;
    z_stream deflater;
    unsigned char packed[PACKED_BYTES];
    unsigned char line[LINE_BYTES]; /* not spelled yet */
    unsigned count;
};

/* Three bytes are four characters; what is missing at the end is filled up with =. */
static void put_line(struct pack *pack)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char spelled[LINE_BYTES / 3 * 4 + 2];
    size_t length = 0;
    for (unsigned i = 0; i < pack->count; i += 3) {
        unsigned left = pack->count - i;
        unsigned bits = (unsigned)pack->line[i] << 16 | (left > 1 ? (unsigned)pack->line[i + 1] << 8 : 0) |
                        (left > 2 ? pack->line[i + 2] : 0U);
        spelled[length++] = digits[bits >> 18];
        spelled[length++] = digits[bits >> 12 & 63];
        spelled[length++] = left > 1 ? digits[bits >> 6 & 63] : '=';
        spelled[length++] = left > 2 ? digits[bits & 63] : '=';
    }
    spelled[length++] = '\n';
    spelled[length] = '\0';
    fputs(spelled, pack->stream);
    pack->count = 0;
}

static void put_packed(struct pack *pack, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        pack->line[pack->count++] = pack->packed[i];
        if (pack->count == LINE_BYTES)
            put_line(pack);
    }
}

/* False where zlib or the stream fails. */
static bool deflate_all(struct pack *pack, const char *bytes, size_t count, int flush)
{
    pack->deflater.next_in = (const Bytef *)bytes;
    pack->deflater.avail_in = (uInt)count;
    do {
        pack->deflater.next_out = pack->packed;
        pack->deflater.avail_out = PACKED_BYTES;
        if (deflate(&pack->deflater, flush) == Z_STREAM_ERROR)
            return false;
        put_packed(pack, PACKED_BYTES - pack->deflater.avail_out);
    } while (pack->deflater.avail_out == 0);
    return !ferror(pack->stream);
}

static ssize_t write_bytes(void *cookie, const char *bytes, size_t count)
{
    return deflate_all(cookie, bytes, count, Z_NO_FLUSH) ? (ssize_t)count : 0;
}

static int finish(void *cookie)
{
    struct pack *pack = cookie;
    bool is_good = deflate_all(pack, "", 0, Z_FINISH);
    if (pack->count > 0)
        put_line(pack);
    is_good = is_good && !ferror(pack->stream);
    deflateEnd(&pack->deflater);
    free(pack);
    return is_good ? 0 : EOF;
}

FILE *gci_pack_open(FILE *stream)
{
    static const cookie_io_functions_t functions = {.write = write_bytes, .close = finish};
    struct pack *pack = gci_memory_take(1, sizeof *pack);
    pack->stream = stream;
    int error = deflateInit2(&pack->deflater, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    FILE *opened = error == Z_OK ? fopencookie(pack, "w", functions) : NULL;
    if (!opened)
        gci_memory_give_up();
    setvbuf(opened, NULL, _IOFBF, PACKED_BYTES);
    return opened;
}
