/* SPDX-License-Identifier: MIT */
#include "cli/print/json.h"

#include <inttypes.h>
#include <stdio.h>

static bool needs_comma; /* something stands in front on this level */

static void print_string(const char *text);

static void begin(const char *key)
{
    if (needs_comma)
        putchar(',');
    if (key) {
        print_string(key);
        putchar(':');
    }
    needs_comma = true;
}

void gci_json_open(const char *key, char bracket)
{
    begin(key);
    putchar(bracket);
    needs_comma = false;
}

void gci_json_close(char bracket)
{
    putchar(bracket);
    needs_comma = true;
}

void gci_json_number(const char *key, uint64_t value)
{
    begin(key);
    printf("%" PRIu64, value);
}

void gci_json_signed(const char *key, int64_t value)
{
    begin(key);
    printf("%" PRId64, value);
}

void gci_json_real(const char *key, double value)
{
    begin(key);
    printf("%.9g", value);
}

void gci_json_flag(const char *key, bool value)
{
    begin(key);
    fputs(value ? "true" : "false", stdout);
}

/* ---- Texts ---- */

/* Bytes of the UTF-8 character at `text`; 0: it is none. */
static size_t character_bytes(const unsigned char *text)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t bytes =
        text[0] < 0x80 ? 1 : (text[0] >> 5 == 6 ? 2 : (text[0] >> 4 == 14 ? 3 : (text[0] >> 3 == 30 ? 4 : 0)));
    uint32_t value = bytes > 1 ? text[0] & (0xffu >> (bytes + 1)) : text[0];
    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (text[i] & 0x3fu);
    }
    bool is_right = bytes == 1 || (value >= least[bytes] && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff));
    return is_right ? bytes : 0;
}

static void print_string(const char *text)
{
    putchar('"');
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        size_t bytes = character_bytes(at);
        if (bytes == 0)
            fputs("\\ufffd", stdout);
        else if (*at < ' ' || *at == 0x7f)
            printf("\\u%04x", *at);
        else if (*at == '"' || *at == '\\')
            printf("\\%c", *at);
        else
            for (size_t i = 0; i < bytes; i++)
                putchar(at[i]);
        at += bytes > 0 ? bytes : 1;
    }
    putchar('"');
}

void gci_json_text(const char *key, const char *text)
{
    begin(key);
    if (text)
        print_string(text);
    else
        fputs("null", stdout);
}

/* ---- Frames ---- */

static void print_null(const char *key)
{
    gci_json_text(key, NULL);
}

void gci_json_frame(const char *key, const struct profile *profile, const struct profile_frame *frame)
{
    bool has_module = frame->module != PROFILE_NO_MODULE;
    gci_json_open(key, '{');
    gci_json_text("function", frame->has_name ? frame->function : NULL);
    gci_json_text("file", frame->file);
    if (frame->line > 0)
        gci_json_number("line", frame->line);
    else
        print_null("line");
    gci_json_text("module", has_module ? profile->modules[frame->module].path : NULL);
    if (has_module)
        gci_json_number("offset", frame->offset);
    else
        print_null("offset");
    gci_json_close('}');
}

void gci_json_stack(const char *key, const struct profile *profile, uint32_t stack)
{
    const struct profile_stack_frames *frames = &profile->stacks[stack];
    gci_json_open(key, '[');
    uint32_t i = gci_profile_next_frame(profile, stack, 0);
    for (; i < frames->count; i = gci_profile_next_frame(profile, stack, i + 1))
        gci_json_frame(NULL, profile, &profile->frames[frames->frames[i]]);
    gci_json_close(']');
}
