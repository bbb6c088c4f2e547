/* SPDX-License-Identifier: MIT */
#include "cli/launch/profiled.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/profile_format.h"
#include "cli/base/head.h"
#include "cli/base/memory.h"
#include "cli/base/message.h"
#include "cli/launch/child.h"

#define NUMBER_BYTES sizeof ".4294967295"

int gci_profiled_run(struct profiled *profiled)
{
    struct program program;
    int code = gci_preload_prepare(&profiled->launch, &program);
    if (code == 0)
        code = gci_preload_setenv("GCALLOC_PROFILE", profiled->level);
    if (code == 0)
        code = gci_preload_setenv("GCALLOC_PROFILE_RATE", profiled->rate ? profiled->rate : "0");
    if (code == 0)
        code = gci_preload_setenv("GCALLOC_PROFILE_FILE", profiled->pattern);
    if (code == 0 && profiled->graph)
        code = gci_preload_setenv("GCALLOC_PROFILE_GRAPH", "1");
    if (code == 0)
        code = gci_child_start(&program, &profiled->child);
    if (code == 0)
        profiled->status = gci_child_wait(profiled->child);
    return code;
}

static char *expand_pattern(const struct profiled *profiled)
{
    size_t room = strlen(profiled->pattern) + NUMBER_BYTES + 1;
    for (const char *at = profiled->pattern; (at = strstr(at, PROFILE_PROCESS_MARK)); at++)
        room += 3 * sizeof(pid_t);
    char *path = gci_memory_take(room, 1);
    size_t used = 0;
    for (const char *at = profiled->pattern; *at;) {
        bool is_mark = strncmp(at, PROFILE_PROCESS_MARK, strlen(PROFILE_PROCESS_MARK)) == 0;
        if (is_mark)
            used += (size_t)snprintf(path + used, room - used, "%d", (int)profiled->child);
        else
            path[used++] = *at;
        at += is_mark ? strlen(PROFILE_PROCESS_MARK) : 1;
    }
    return path;
}

/* When the profile was begun; 0: it is none. */
static uint64_t start_of(const char *path)
{
    struct profile_header header;
    return gci_head_read(AT_FDCWD, path, &header) ? header.start_realtime_ns : 0;
}

/* What lay there before, of a process that had the same number, is older than the first one. */
char *gci_profiled_first_path(const struct profiled *profiled, unsigned *more)
{
    char *first = expand_pattern(profiled);
    size_t length = strlen(first);
    uint64_t start = start_of(first), next = start;
    *more = 0;
    while (start != 0 && next >= start) {
        snprintf(first + length, NUMBER_BYTES, ".%u", *more + 2);
        next = start_of(first);
        *more += next >= start ? 1 : 0;
    }
    first[length] = '\0';
    return first;
}

char *gci_profiled_path(const struct profiled *profiled)
{
    unsigned more;
    char *path = gci_profiled_first_path(profiled, &more);
    if (more > 0)
        snprintf(path + strlen(path), NUMBER_BYTES, ".%u", more + 1);
    return path;
}
