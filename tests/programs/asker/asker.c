/* SPDX-License-Identifier: MIT */
/* A library that asks the loader in words that mean something else to each asker. Its run path is a folder that no other
 * searches. */
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "asker.h"

enum who who_is_asked(void)
{
    return THE_ASKER;
}

enum who asker_finds_next(void)
{
    enum who (*next)(void) = NULL;
    void *found = dlsym(RTLD_NEXT, "who_is_asked");
    memcpy(&next, &found, sizeof next);
    enum who answer = next != NULL ? next() : THE_ASKER;
    return answer;
}

int asker_opens(const char *name)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    return library != NULL && dlclose(library) == 0;
}
