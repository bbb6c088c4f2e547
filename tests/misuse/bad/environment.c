/* SPDX-License-Identifier: MIT */
/* What the system put above the stack: 0 an argument, 1 a variable of the environment. */
#include "misuse.h"

extern char **environ;

void make_bad_pointer(uintptr_t parameter)
{
    require(environ[0] != NULL, "an environment");
    bad_is(parameter == 0 ? (void *)environ : environ[0]);
}
