/* SPDX-License-Identifier: MIT */
/* Reading unwind tables, which nothing promises to be well formed: every byte comes through a cursor that ends where its
 * record or its segment does. A cursor that ran over its end yields zeros and is bad for good; so is one that met what we do
 * not know.
 */
#ifndef GCI_UNWIND_BYTES_H
#define GCI_UNWIND_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool is_bad;
};

static inline void read_bytes(struct cursor *from, void *to, size_t count)
{
    if (from->is_bad || (size_t)(from->end - from->at) < count) {
        from->is_bad = true;
        memset(to, 0, count);
        return;
    }
    memcpy(to, from->at, count);
    from->at += count;
}

static inline uint8_t read_u8(struct cursor *from)
{
    uint8_t value;
    read_bytes(from, &value, sizeof value);
    return value;
}

static inline uint32_t read_u32(struct cursor *from)
{
    uint32_t value;
    read_bytes(from, &value, sizeof value);
    return value;
}

/* LEB128 (DWARF 5, section 7.6). Bits beyond the 64th are dropped. */
static inline uint64_t read_leb(struct cursor *from, bool is_signed)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = read_u8(from);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while ((byte & 0x80) != 0);
    if (is_signed && (byte & 0x40) != 0 && shift < 64)
        value |= ~UINT64_C(0) << shift;
    return value;
}

static inline uint64_t read_uleb(struct cursor *from)
{
    return read_leb(from, false);
}

static inline int64_t read_sleb(struct cursor *from)
{
    return (int64_t)read_leb(from, true);
}

/* The part of the next `count` bytes; the cursor moves behind them. */
static inline struct cursor read_part(struct cursor *from, uint64_t count)
{
    struct cursor part = *from;
    if (from->is_bad || (uint64_t)(from->end - from->at) < count) {
        from->is_bad = part.is_bad = true;
        return part;
    }
    from->at += count;
    part.end = from->at;
    return part;
}

/* Encodings of addresses (LSB Core 5.0, section 10.5.1): four bits of format, three of what the value is relative to. */
enum encoding {
    ENCODING_WORD = 0x00,
    ENCODING_U2 = 0x02,
    ENCODING_U4 = 0x03,
    ENCODING_U8 = 0x04,
    ENCODING_S2 = 0x0a,
    ENCODING_S4 = 0x0b,
    ENCODING_S8 = 0x0c,
    ENCODING_FORMAT = 0x0f,
    ENCODING_BY_PLACE = 0x10,
    ENCODING_RELATION = 0x70
};

static inline uint64_t read_formatted(struct cursor *from, uint8_t encoding)
{
    uint64_t value = 0;
    switch (encoding & ENCODING_FORMAT) {
    case ENCODING_U2:
        read_bytes(from, &value, 2);
        return value;
    case ENCODING_S2:
        read_bytes(from, &value, 2);
        return (uint64_t)(int16_t)value;
    case ENCODING_U4:
        return read_u32(from);
    case ENCODING_S4:
        return (uint64_t)(int32_t)read_u32(from);
    case ENCODING_WORD:
    case ENCODING_U8:
    case ENCODING_S8:
        read_bytes(from, &value, 8);
        return value;
    default:
        from->is_bad = true;
        return 0;
    }
}

static inline uintptr_t read_address(struct cursor *from, uint8_t encoding)
{
    uintptr_t place = (uintptr_t)from->at;
    uint8_t relation = encoding & ENCODING_RELATION;
    if (relation != 0 && relation != ENCODING_BY_PLACE)
        from->is_bad = true;
    return read_formatted(from, encoding) + (relation != 0 ? place : 0);
}

#endif
