/* SPDX-License-Identifier: MIT */
/* Row 66: a library that is opened with RTLD_DEEPBIND uses the same malloc as its program: blocks may cross over. */
#include "conformance.h"

typedef char *duplicate_fn(const char *text);
typedef void release_fn(void *block);

static void *symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);
    CHECK(found != NULL);
    return found;
}

int main(void)
{
    void *library = dlopen(HELPER_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    CHECK(library != NULL);
    duplicate_fn *duplicate;
    release_fn *release;
    void *found = symbol(library, "library_duplicate");
    memcpy(&duplicate, &found, sizeof duplicate);
    found = symbol(library, "library_release");
    memcpy(&release, &found, sizeof release);
    for (int i = 0; i < 1000; i++) {
        char *text = duplicate("from the library");
        CHECK(text != NULL && strcmp(text, "from the library") == 0);
        if (i % 100 == 0)
            collect();
        free(text);
        release(malloc((size_t)i));
    }
    CHECK(dlopen("no such library", RTLD_NOW | RTLD_DEEPBIND) == NULL && dlerror() != NULL);
    return dlclose(library);
}
