/* SPDX-License-Identifier: MIT */
#include "cli/show/suppressions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/memory.h"
#include "cli/base/message.h"

static const char prefix[] = "leak:";

/* False: the line is none of a pattern. */
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
    if (!copy)
        gci_memory_give_up();
    suppressions->patterns[suppressions->count++] = copy;
    return true;
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

/* Where a part between stars does not fit, it is tried again one character on; so is a first part that is not bound to the
 * start. */
static bool matches(const char *pattern, const char *text)
{
    bool is_at_start = pattern[0] == '^';
    const char *at = pattern + (is_at_start ? 1 : 0), *end = at + strlen(at);
    bool is_at_end = end > at && end[-1] == '$';
    const char *part = is_at_start ? NULL : at, *tried = text; /* what is tried again, and where it was tried last */
    end -= is_at_end ? 1 : 0;
    while (at < end || (is_at_end && *text)) {
        if (at < end && *at == '*') {
            part = ++at;
            tried = text;
        } else if (at < end && *text && *at == *text) {
            at++;
            text++;
        } else if (part && *tried) {
            at = part;
            text = ++tried;
        } else {
            return false;
        }
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
