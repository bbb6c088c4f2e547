/* SPDX-License-Identifier: MIT */
#include "cli/start/profiled.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/profile/memory.h"
#include "cli/start/child.h"

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
    if (code == 0)
        code = gci_child_start(&program, &profiled->child);
    if (code == 0)
        profiled->status = gci_child_wait(profiled->child);
    return code;
}

char *gci_profiled_path(const struct profiled *profiled)
{
    size_t room = strlen(profiled->pattern) + 1;
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
