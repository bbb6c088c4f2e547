/* SPDX-License-Identifier: MIT */
#include "cli/html/data/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cli/print/escape.h"

struct character {
    const char *bytes;
    size_t length;
    uint32_t value;
};

/* The next one; *text moves behind it. A byte that belongs to none is U+FFFD. */
static struct character take_character(const char **text)
{
    static const struct character replacement = {"\xef\xbf\xbd", 3, 0xFFFD};
    static const unsigned char first_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07}; /* that count, by the length */
    struct character taken = {*text, gci_escape_character(*text), 0};
    *text += taken.length > 0 ? taken.length : 1;
    if (taken.length == 0)
        return replacement;
    taken.value = (unsigned char)taken.bytes[0] & first_bits[taken.length];
    for (size_t i = 1; i < taken.length; i++)
        taken.value = taken.value << 6 | ((unsigned char)taken.bytes[i] & 0x3FU);
    return taken;
}

static bool is_unseen(uint32_t character)
{
    return character < 0x20 || (character >= 0x7F && character < 0xA0) || character == 0xAD || character == 0x061C ||
           (character >= 0x200B && character <= 0x200F) || (character >= 0x2028 && character <= 0x202E) ||
           (character >= 0x2060 && character <= 0x206F) || character == 0xFEFF ||
           (character >= 0xFFF9 && character <= 0xFFFB);
}

static void put(FILE *stream, const struct character *character)
{
    (void)fwrite(character->bytes, 1, character->length, stream); /* the stream remembers a failure */
}

void gci_text_json(FILE *stream, const char *text)
{
    fputc('"', stream);
    while (text && *text) {
        struct character character = take_character(&text);
        if (is_unseen(character.value))
            fprintf(stream, "\\\\u%04X", character.value); /* a backslash that is read as one */
        else if (character.value == '"' || character.value == '\\')
            fprintf(stream, "\\%c", (int)character.value);
        else
            put(stream, &character);
    }
    fputc('"', stream);
}

void gci_text_html(FILE *stream, const char *text)
{
    while (text && *text) {
        struct character character = take_character(&text);
        if (is_unseen(character.value))
            fprintf(stream, "\\u%04X", character.value);
        else if (character.value < 0x80 && strchr("<>&\"'", (int)character.value))
            fprintf(stream, "&#%u;", character.value);
        else
            put(stream, &character);
    }
}
