/* SPDX-License-Identifier: MIT */
#include "cli/show/suppressions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/memory.h"
#include "cli/base/message.h"

static const char prefix[] = "leak:";

/* 0, or the cause of what is wrong with one line. */
static bool take_line(struct suppressions *suppressions, char *line)
{
    line[strcspn(line, "\r\n")] = '\0';
    line += strspn(line, " \t");
    if (line[0] == '\0' || line[0] == '#')
        return true;
    if (strncmp(line, prefix, sizeof prefix - 1) != 0 || line[sizeof prefix - 1] == '\0')
        return false;
    suppressions->patterns = gci_memory_grow(suppressions->patterns, &suppressions->room, suppressions->count + 1,
                                             sizeof *suppressions->patterns);
    char *copy = strdup(line + sizeof prefix - 1);
    if (copy)
        suppressions->patterns[suppressions->count++] = copy;
    return copy != NULL;
}

bool gci_suppressions_read(struct suppressions *suppressions, const char *path)
{
    char *line = NULL;
    size_t room = 0, number = 0;
    bool right = true;
    FILE *file = fopen(path, "re");
    if (!file)
        return gci_message_fail(false, path, "cannot be opened: %s", strerror(errno));
    while (right && getline(&line, &room, file) > 0) {
        number++;
        right = take_line(suppressions, line);
    }
    bool whole = !ferror(file);
    free(line);
    fclose(file);
    if (!right)
        return gci_message_fail(false, path, "line %zu is not leak:PATTERN", number);
    return whole || gci_message_fail(false, path, "cannot be read: %s", strerror(errno));
}

void gci_suppressions_forget(struct suppressions *suppressions)
{
    for (size_t i = 0; i < suppressions->count; i++)
        free(suppressions->patterns[i]);
    free(suppressions->patterns);
    *suppressions = (struct suppressions){0};
}

/* Whether the pattern, up to its next star, stands at `text`; *end is where it stops there. */
static bool part_is_at(const char *pattern, size_t length, const char *text)
{
    return strncmp(pattern, text, length) == 0;
}

/* Parts between stars follow each other; the first may be bound to the start, the last to the end. */
static bool matches(const char *pattern, const char *text)
{
    bool at_start = pattern[0] == '^', at_end;
    size_t bytes = strlen(pattern = pattern + (at_start ? 1 : 0));
    at_end = bytes > 0 && pattern[bytes - 1] == '$';
    bytes -= at_end ? 1 : 0;
    const char *stop = pattern + bytes;
    while (pattern < stop) {
        size_t length = strcspn(pattern, "*"), left = strlen(text);
        length = length < (size_t)(stop - pattern) ? length : (size_t)(stop - pattern);
        bool is_last = pattern + length == stop;
        if (is_last && at_end && left >= length && (!at_start || left == length))
            text += left - length; /* nothing else can be meant */
        while (*text && !at_start && !part_is_at(pattern, length, text))
            text++;
        if (!part_is_at(pattern, length, text))
            return false;
        text += length;
        pattern += length;
        at_start = false;
        if (pattern < stop)
            pattern++; /* the star */
        else if (at_end)
            return *text == '\0';
    }
    return true;
}

static bool frame_matches(const char *pattern, const struct profile *profile, const struct profile_frame *frame)
{
    return matches(pattern, frame->function) || (frame->file && matches(pattern, frame->file)) ||
           (frame->module != PROFILE_NO_MODULE && matches(pattern, profile->modules[frame->module].path));
}

bool gci_suppressions_cover(const struct suppressions *suppressions, const struct profile *profile, uint32_t stack)
{
    const struct profile_stack_frames *frames = &profile->stacks[stack];
    for (size_t i = 0; i < suppressions->count; i++) {
        for (uint32_t k = 0; k < frames->count; k++) {
            if (frame_matches(suppressions->patterns[i], profile, &profile->frames[frames->frames[k]]))
                return true;
        }
    }
    return false;
}
