/* SPDX-License-Identifier: MIT */
/* Row 66: what a library holds stays alive, however the library looks up names: its own dependencies first, or in a
 * namespace with a C library of its own. */
#include "conformance.h"

static void *find(void *library, const char *name)
{
    void *symbol = dlsym(library, name);
    CHECK(symbol != NULL);
    return symbol;
}

static __attribute__((noinline)) void fill(void *library)
{
    void (*keep)(void *);
    void *symbol = find(library, "library_keep");
    memcpy(&keep, &symbol, sizeof symbol);
    keep(make_held());
    symbol = find(library, "library_keep_in_thread");
    memcpy(&keep, &symbol, sizeof symbol);
    keep(make_held());
}

static __attribute__((noinline)) void check_and_free(void *library)
{
    void *(*kept)(void);
    void *symbol = find(library, "library_kept");
    memcpy(&kept, &symbol, sizeof symbol);
    check_held(kept());
    free(kept());
    symbol = find(library, "library_kept_in_thread");
    memcpy(&kept, &symbol, sizeof symbol);
    check_held(kept());
    free(kept());
}

static void use(void *library)
{
    if (library == NULL)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(library != NULL);
    fill(library);
    clear_stack();
    collect_and_reuse(HELD_BYTES);
    check_and_free(library);
    CHECK(dlclose(library) == 0);
    collect();
}

int main(void)
{
    for (int i = 0; i < 5; i++) {
        use(dlopen(HELPER_LIBRARY, RTLD_NOW | RTLD_DEEPBIND));
        use(dlmopen(LM_ID_NEWLM, HELPER_LIBRARY, RTLD_NOW));
    }
    return 0;
}
