/* SPDX-License-Identifier: MIT */
#include "cli/base/head.h"

#include <fcntl.h>
#include <unistd.h>

bool gci_head_read(int folder, const char *name, struct profile_header *header)
{
    struct profile_head head;
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t bytes = file < 0 ? -1 : pread(file, &head, sizeof head, 0);
    if (file >= 0)
        close(file);
    if (bytes != (ssize_t)sizeof head || !profile_head_is_right(&head))
        return false;
    *header = head.header;
    return true;
}
