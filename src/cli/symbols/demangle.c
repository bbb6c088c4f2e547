/* SPDX-License-Identifier: MIT */
#include "cli/symbols/demangle.h"

#include <stdlib.h>
#include <string.h>

/* Of the C++ runtime's binary interface, which stays as it is; its header is for C++ alone. */
char *cxx_demangle(const char *name, char *buffer, size_t *bytes, int *status) __asm__("__cxa_demangle");

const char *gci_demangle(struct memory_pool *pool, const char *name)
{
    static const char internal[] = "__GI_"; /* the C library's mark on names for itself */
    int status = 0;
    if (strncmp(name, internal, sizeof internal - 1) == 0)
        name += sizeof internal - 1;
    char *plain = strncmp(name, "_Z", 2) == 0 ? cxx_demangle(name, NULL, NULL, &status) : NULL;
    const char *shown = plain ? plain : name;
    char *copy = gci_memory_pool_text(pool, shown, strlen(shown));
    free(plain);
    return copy;
}
