/* SPDX-License-Identifier: MIT */
#include "cli/html/data/text.h"

#include <stdbool.h>
#include <stdint.h>

#define REPLACEMENT 0xFFFDU
#define LAST_CHARACTER 0x10FFFFU

/* How many bytes follow the first one of a character, and the bits that it gives; -1: it begins none. */
static int begin_character(unsigned char first, uint32_t *character)
{
    if (first < 0x80) {
        *character = first;
        return 0;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        *character = first & 0x1FU;
        return 1;
    }
    if ((first & 0xF0) == 0xE0) {
        *character = first & 0x0FU;
        return 2;
    }
    *character = first & 0x07U;
    return first >= 0xF0 && first <= 0xF4 ? 3 : -1;
}

/* Too long a form of a smaller one, half of a pair of UTF-16, or beyond the last. */
static bool is_no_character(uint32_t character, int more)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    return character < least[more] || (character >= 0xD800 && character <= 0xDFFF) || character > LAST_CHARACTER;
}

/* The next character, and the text behind it. A byte that belongs to none is REPLACEMENT. */
static uint32_t next_character(const char **text)
{
    const unsigned char *at = (const unsigned char *)*text;
    uint32_t character = 0;
    int more = begin_character(*at++, &character);
    *text = (const char *)at;
    if (more < 0)
        return REPLACEMENT;
    for (int i = 0; i < more; i++, at++) {
        if ((*at & 0xC0) != 0x80)
            return REPLACEMENT;
        character = character << 6 | (*at & 0x3FU);
    }
    if (is_no_character(character, more))
        return REPLACEMENT;
    *text = (const char *)at;
    return character;
}

static bool is_unseen(uint32_t character)
{
    return character < 0x20 || (character >= 0x7F && character < 0xA0) || character == 0xAD || character == 0x061C ||
           (character >= 0x200B && character <= 0x200F) || (character >= 0x2028 && character <= 0x202E) ||
           (character >= 0x2060 && character <= 0x206F) || character == 0xFEFF ||
           (character >= 0xFFF9 && character <= 0xFFFB);
}

static void put_utf8(FILE *stream, uint32_t character)
{
    if (character < 0x80) {
        fputc((int)character, stream);
    } else if (character < 0x800) {
        fputc((int)(0xC0 | character >> 6), stream);
        fputc((int)(0x80 | (character & 0x3F)), stream);
    } else {
        fputc((int)(character < 0x10000 ? 0xE0 | character >> 12 : 0xF0 | character >> 18), stream);
        if (character >= 0x10000)
            fputc((int)(0x80 | (character >> 12 & 0x3F)), stream);
        fputc((int)(0x80 | (character >> 6 & 0x3F)), stream);
        fputc((int)(0x80 | (character & 0x3F)), stream);
    }
}

void gci_text_json(FILE *stream, const char *text)
{
    fputc('"', stream);
    while (text && *text) {
        uint32_t character = next_character(&text);
        if (is_unseen(character))
            fprintf(stream, "\\\\u%04X", character); /* a backslash that is read as one */
        else if (character == '"' || character == '\\')
            fprintf(stream, "\\%c", (int)character);
        else
            put_utf8(stream, character);
    }
    fputc('"', stream);
}

void gci_text_html(FILE *stream, const char *text)
{
    while (text && *text) {
        uint32_t character = next_character(&text);
        if (is_unseen(character))
            fprintf(stream, "\\u%04X", character);
        else if (character == '<' || character == '>' || character == '&' || character == '"' || character == '\'')
            fprintf(stream, "&#%u;", character);
        else
            put_utf8(stream, character);
    }
}
