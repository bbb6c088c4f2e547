/* SPDX-License-Identifier: MIT */
/* Rows 21, 56: libraries come and go while collections run; their static and thread-local data are roots. */
#include <pthread.h>

#include "conformance.h"

static volatile int done;

static void *collect_always(void *data)
{
    while (!done) {
        collect();
        usleep(200);
    }
    return data;
}

static void *load(const char *name, void **function)
{
    void *library = dlopen(HELPER_LIBRARY, RTLD_NOW);
    CHECK(library != NULL);
    *function = dlsym(library, name);
    CHECK(*function != NULL);
    return library;
}

static __attribute__((noinline)) void fill(void *library)
{
    void (*keep)(void *);
    void *symbol = dlsym(library, "library_keep");
    memcpy(&keep, &symbol, sizeof symbol);
    keep(make_held());
    symbol = dlsym(library, "library_keep_in_thread");
    memcpy(&keep, &symbol, sizeof symbol);
    keep(make_held());
}

static void check(void *library)
{
    void *(*kept)(void);
    void *symbol = dlsym(library, "library_kept");
    memcpy(&kept, &symbol, sizeof symbol);
    check_held(kept());
    symbol = dlsym(library, "library_kept_in_thread");
    memcpy(&kept, &symbol, sizeof symbol);
    check_held(kept());
}

static void *use_library(void *data)
{
    for (int i = 0; i < 5; i++) {
        void *symbol;
        void *library = load("library_keep", &symbol);
        fill(library);
        clear_stack();
        collect_and_reuse(HELD_BYTES);
        check(library);
        dlclose(library);
    }
    return data;
}

int main(void)
{
    pthread_t collector;
    pthread_t user;
    CHECK(pthread_create(&collector, NULL, collect_always, NULL) == 0);
    use_library(NULL);
    CHECK(pthread_create(&user, NULL, use_library, NULL) == 0);
    pthread_join(user, NULL);
    for (int i = 0; i < 500; i++) {
        void *symbol;
        dlclose(load("library_keep", &symbol));
    }
    done = 1;
    pthread_join(collector, NULL);
    return 0;
}
