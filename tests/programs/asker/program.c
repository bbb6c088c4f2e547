/* SPDX-License-Identifier: MIT */
/* What dlopen and dlsym do depends on who calls them, and that is the library, not the allocator between. */
#include <dlfcn.h>

#include "../check.h"
#include "asker.h"

enum who who_is_asked(void)
{
    return THE_PROGRAM;
}

int main(void)
{
    CHECK(asker_finds_next() == THE_NEXT);
    CHECK(asker_opens("libprograms_asked_for.so"));
    CHECK(dlopen("libprograms_asked_for.so", RTLD_NOW) == NULL); /* the program's own path does not lead there */
    CHECK(dlsym(RTLD_DEFAULT, "no such symbol") == NULL);
    return check_result();
}
