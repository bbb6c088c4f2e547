/* SPDX-License-Identifier: MIT */
#include "cli/print/json.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/print/escape.h"

static bool needs_comma; /* something stands in front on this level */

static void begin(const char *key)
{
    if (needs_comma)
        putchar(',');
    if (key) {
        gci_escape_json(stdout, key);
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

void gci_json_text(const char *key, const char *text)
{
    begin(key);
    gci_escape_json(stdout, text);
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
