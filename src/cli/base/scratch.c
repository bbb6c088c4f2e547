/* SPDX-License-Identifier: MIT */
#include "cli/base/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/message.h"

int gci_scratch_make(char directory[PATH_MAX], const char *what, const char *name)
{
    const char *given = getenv("TMPDIR");
    if (!given || given[0] == '\0')
        given = "/tmp";
    char *temporary = realpath(given, NULL);
    directory[0] = '\0';
    if (!temporary)
        return gci_message_fail(EXIT_OWN_FAILURE, given, "no temporary directory: %s", strerror(errno));
    int length = snprintf(directory, PATH_MAX, "%s/gcalloc-%s.XXXXXX", temporary, what);
    free(temporary);
    if (length < 0 || (size_t)length + 1 + strlen(name) >= LIBRARY_PATH_BYTES) {
        directory[0] = '\0';
        return gci_message_fail(EXIT_OWN_FAILURE, given, "the temporary directory's name is too long");
    }
    if (mkdtemp(directory))
        return 0;
    directory[0] = '\0';
    return gci_message_fail(EXIT_OWN_FAILURE, given, "cannot create a temporary directory: %s", strerror(errno));
}

void gci_scratch_remove(const char *directory)
{
    DIR *folder = directory[0] != '\0' ? opendir(directory) : NULL;
    if (!folder)
        return;
    for (const struct dirent *entry; (entry = readdir(folder));)
        unlinkat(dirfd(folder), entry->d_name, 0); /* not the two that are directories */
    closedir(folder);
    rmdir(directory);
}
