/* SPDX-License-Identifier: MIT */
/* The command's way to ask a process, alone: PID WHAT [FILE]. */
#include <stdlib.h>

#include "cli/attach/attach.h"

int main(int argc, char **argv)
{
    return argc < 3 ? 2 : gci_attach_request((pid_t)atoi(argv[1]), argv[2], argc > 3 ? argv[3] : NULL);
}
