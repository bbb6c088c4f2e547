/* SPDX-License-Identifier: MIT */
/* Implementation of base/text.h; no state, no calls to the C library. */
#include "base/text.h"

void gci_text_init(struct text *text)
{
    text->length = 0;
    text->bytes[0] = '\0';
}

void gci_text_add_limited(struct text *text, const char *string, size_t limit)
{
    for (size_t i = 0; i < limit && string[i] != '\0' && text->length < TEXT_BYTES - 1; i++)
        text->bytes[text->length++] = string[i];
    text->bytes[text->length] = '\0';
}

void gci_text_add(struct text *text, const char *string)
{
    gci_text_add_limited(text, string, SIZE_MAX);
}

static void add_number(struct text *text, uint64_t value, unsigned radix)
{
    char digits[24];
    char *at = digits + sizeof digits - 1;
    *at = '\0';
    do {
        *--at = "0123456789abcdef"[value % radix];
        value /= radix;
    } while (value != 0);
    gci_text_add(text, at);
}

void gci_text_add_decimal(struct text *text, uint64_t value)
{
    add_number(text, value, 10);
}

void gci_text_add_address(struct text *text, uintptr_t value)
{
    gci_text_add(text, "0x");
    add_number(text, value, 16);
}

void gci_text_add_size(struct text *text, uint64_t bytes)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    unsigned unit = 0;
    uint64_t tenths = bytes < UINT64_MAX / 10 ? bytes * 10 : UINT64_MAX;
    while (tenths >= 10240 && unit < 4) {
        tenths = (tenths + 512) / 1024;
        unit++;
    }
    gci_text_add_decimal(text, tenths / 10);
    if (unit > 0) {
        gci_text_add(text, ".");
        gci_text_add_decimal(text, tenths % 10);
    }
    gci_text_add(text, units[unit]);
}

void gci_text_add_milliseconds(struct text *text, uint64_t nanoseconds, unsigned decimals)
{
    uint64_t scale = 1000000;
    for (unsigned i = 0; i < decimals; i++)
        scale /= 10;
    uint64_t units = (nanoseconds + scale / 2) / scale;
    uint64_t whole = 1;
    for (unsigned i = 0; i < decimals; i++)
        whole *= 10;
    gci_text_add_decimal(text, units / whole);
    if (decimals == 0)
        return;
    gci_text_add(text, ".");
    for (whole /= 10; whole > 0; whole /= 10)
        gci_text_add_decimal(text, units / whole % 10);
}

static bool digit_value(char c, unsigned radix, unsigned *value)
{
    unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 99;
    *value = digit;
    return digit < radix;
}

static bool read_number(const char **at, uint64_t *value, unsigned radix)
{
    const char *p = *at;
    uint64_t number = 0;
    unsigned digit;
    for (; digit_value(*p, radix, &digit); p++) {
        if (number > (UINT64_MAX - digit) / radix)
            return false;
        number = number * radix + digit;
    }
    if (p == *at)
        return false;
    *at = p;
    *value = number;
    return true;
}

bool gci_text_read_decimal(const char **at, uint64_t *value)
{
    return read_number(at, value, 10);
}

bool gci_text_read_hex(const char **at, uint64_t *value)
{
    return read_number(at, value, 16);
}

static unsigned unit_shift(char c)
{
    switch (c) {
    case 'K':
    case 'k':
        return 10;
    case 'M':
    case 'm':
        return 20;
    case 'G':
    case 'g':
        return 30;
    case 'T':
    case 't':
        return 40;
    default:
        return 0;
    }
}

bool gci_text_parse_bytes(const char *string, uint64_t *value)
{
    uint64_t number;
    if (!gci_text_read_decimal(&string, &number))
        return false;
    unsigned shift = unit_shift(*string);
    if (shift != 0)
        string++;
    if (*string != '\0' || number > UINT64_MAX >> shift)
        return false;
    *value = number << shift;
    return true;
}

bool gci_text_equals(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

bool gci_text_starts_with(const char *string, const char *prefix)
{
    while (*prefix != '\0' && *string == *prefix) {
        string++;
        prefix++;
    }
    return *prefix == '\0';
}
