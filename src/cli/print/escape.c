/* SPDX-License-Identifier: MIT */
#include "cli/print/escape.h"

#include <string.h>

#include "cli/base/memory.h"

#define UNKNOWN "\xef\xbf\xbd" /* U+FFFD */
#define DELETE 0x7f
#define DIGITS_MOST 20 /* of 2^64 - 1 */

struct range {
    unsigned char low, high;
};

/* What the second byte may be: it rules out longer forms than needed, surrogates, and what is beyond U+10FFFF. */
static struct range second_bytes(unsigned char first)
{
    switch (first) {
    case 0xe0:
        return (struct range){0xa0, 0xbf};
    case 0xed:
        return (struct range){0x80, 0x9f};
    case 0xf0:
        return (struct range){0x90, 0xbf};
    case 0xf4:
        return (struct range){0x80, 0x8f};
    default:
        return (struct range){0x80, 0xbf};
    }
}

static size_t length_by_first(unsigned char first)
{
    if (first < 0x80)
        return first != 0;
    if (first < 0xc2)
        return 0;
    if (first < 0xe0)
        return 2;
    if (first < 0xf0)
        return 3;
    return first < 0xf5 ? 4 : 0;
}

size_t gci_escape_character(const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = length_by_first(bytes[0]);
    struct range range = second_bytes(bytes[0]);
    for (size_t i = 1; i < length; i++) {
        if (bytes[i] < range.low || bytes[i] > range.high)
            return 0;
        range = (struct range){0x80, 0xbf};
    }
    return length;
}

/* One character as it is, or U+FFFD for one byte; what comes behind it. */
static const char *copy_character(FILE *stream, const char *at)
{
    size_t length = gci_escape_character(at);
    if (length == 1)
        putc_unlocked(*at, stream);
    else if (length == 0)
        fputs(UNKNOWN, stream);
    else
        (void)fwrite(at, 1, length, stream); /* the stream remembers a failure */
    return at + (length ? length : 1);
}

static bool is_control(char byte)
{
    return (unsigned char)byte < ' ' || byte == DELETE;
}

bool gci_escape_is_clean(const char *text)
{
    size_t length;
    for (; *text; text += length) {
        length = gci_escape_character(text);
        if (length == 0 || is_control(*text))
            return false;
    }
    return true;
}

/* A byte becomes U+FFFD at most. */
char *gci_escape_clean(const char *text)
{
    char *clean = gci_memory_take(strlen(text) * strlen(UNKNOWN) + 1, 1), *at = clean;
    while (*text) {
        size_t length = is_control(*text) ? 0 : gci_escape_character(text);
        const char *from = length ? text : UNKNOWN;
        size_t bytes = length ? length : strlen(UNKNOWN);
        memcpy(at, from, bytes);
        at += bytes;
        text += length ? length : 1;
    }
    *at = '\0';
    return clean;
}

void gci_escape_json_inner(FILE *stream, const char *text)
{
    while (*text) {
        if (*text == '"' || *text == '\\')
            putc_unlocked('\\', stream);
        if (is_control(*text))
            fprintf(stream, "\\u%04x", (unsigned)(unsigned char)*text++);
        else
            text = copy_character(stream, text);
    }
}

void gci_escape_json(FILE *stream, const char *text)
{
    if (!text) {
        fputs("null", stream);
        return;
    }
    putc_unlocked('"', stream);
    gci_escape_json_inner(stream, text);
    putc_unlocked('"', stream);
}

void gci_escape_xml(FILE *stream, const char *text)
{
    static const char *const entities[128] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"};
    while (*text) {
        unsigned char byte = (unsigned char)*text;
        if (is_control(*text))
            fputs(UNKNOWN, stream);
        else if (byte < 128 && entities[byte])
            fputs(entities[byte], stream);
        else {
            text = copy_character(stream, text);
            continue;
        }
        text++;
    }
}

void gci_escape_field(FILE *stream, const char *text, char separator)
{
    while (*text) {
        if (is_control(*text) || *text == separator)
            putc_unlocked(*text++ == separator ? ':' : ' ', stream);
        else
            text = copy_character(stream, text);
    }
}

void gci_escape_number(FILE *stream, uint64_t number)
{
    char digits[DIGITS_MOST], *at = digits + sizeof digits;
    do
        *--at = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    (void)fwrite(at, 1, (size_t)(digits + sizeof digits - at), stream);
}
