/* SPDX-License-Identifier: MIT */
/* dlopen without RTLD_DEEPBIND. A library that is opened with it would take malloc and free from the C library instead of
 * from here, and each block that it hands over or takes would meet the wrong free. PHP opens its extensions so. */
#include <dlfcn.h>

#include "api/interpose/real.h"

DECLARE_NEXT(dlopen)

/* The call is the last thing done, so it is a jump: the loader tells by the return address who asks, and searches the
 * asker's own path. */
EXPORT void *dlopen(const char *file, int mode)
{
    __typeof__(&dlopen) next = next_dlopen();
    return next != NULL ? next(file, mode & ~RTLD_DEEPBIND) : NULL;
}
