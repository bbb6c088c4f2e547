/* SPDX-License-Identifier: MIT */
/* Variables that begin as options do and are none: one line each, with the option that may be meant. */
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

/* All that this program writes when it is started with these assignments in its environment. */
static const char *output_with(const char *assignments)
{
    static char output[4096];
    char program[1024];
    char command[2048];
    size_t length = 0;
    ssize_t path = readlink("/proc/self/exe", program, sizeof program - 1);
    CHECK(path > 0);
    program[path > 0 ? path : 0] = '\0';
    snprintf(command, sizeof command, "env %s '%s' child 2>&1", assignments, program);
    FILE *pipe = popen(command, "r"); // NOLINT(cert-env33-c)
    if (pipe != NULL)
        length = fread(output, 1, sizeof output - 1, pipe);
    output[length] = '\0';
    CHECK(pipe != NULL && pclose(pipe) == 0);
    return output;
}

int main(int argument_count, char **arguments)
{
    static const char *const cases[][2] = {
        {"GCALLOC_MODE=free gcalloc_mode=x NOGCALLOC_X=1 GCALLOC=1", ""},
        {"GCALLOC_MOED=free", "gcalloc: GCALLOC_MOED: no such option; nearest is GCALLOC_MODE\n"},
        {"GCALLOC_Mode=free", "gcalloc: GCALLOC_Mode: no such option; nearest is GCALLOC_MODE\n"},
        {"GCALLOC_HEAPLIMIT=1G", "gcalloc: GCALLOC_HEAPLIMIT: no such option; nearest is GCALLOC_HEAP_LIMIT\n"},
        {"GCALLOC_STAT=", "gcalloc: GCALLOC_STAT: no such option; nearest is GCALLOC_STATS\n"},
        {"GCALLOC_PROFILE_FILES=x",
         "gcalloc: GCALLOC_PROFILE_FILES: no such option; nearest is GCALLOC_PROFILE_FILE\n"},
        {"GCALLOC_QZX=1", "gcalloc: GCALLOC_QZX: no such option\n"},
        {"GCALLOC_=1", "gcalloc: GCALLOC_: no such option\n"},
        {"GCALLOC_QZX=1 GCALLOC_MODES=gc",
         "gcalloc: GCALLOC_QZX: no such option\ngcalloc: GCALLOC_MODES: no such option; nearest is GCALLOC_MODE\n"},
    };
    (void)arguments;
    if (argument_count > 1)
        return 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *output = output_with(cases[i][0]);
        CHECK(strcmp(output, cases[i][1]) == 0);
        if (strcmp(output, cases[i][1]) != 0)
            fprintf(stderr, "%s: %s", cases[i][0], output);
    }
    return check_result();
}
