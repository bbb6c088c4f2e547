/* SPDX-License-Identifier: MIT */
/* A library that is known to hide pointers keeps its blocks until it frees them, whether the program is linked with it or opens
 * it (then its file is the argument); blocks of the program itself are collected as ever. */
#include <dlfcn.h>
#include <stdlib.h>

#include "../check.h"
#include "distances.h"

struct functions {
    __typeof__(&distances_new) make;
    __typeof__(&distances_count) count;
    __typeof__(&distances_count_whole) count_whole;
    __typeof__(&distances_free) destroy;
};

static void look_up(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
}

static struct functions find_functions(const char *file)
{
    struct functions functions = {0};
    void *library = file == NULL ? RTLD_DEFAULT : dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (file != NULL && library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    look_up(library, "distances_new", &functions.make);
    look_up(library, "distances_count", &functions.count);
    look_up(library, "distances_count_whole", &functions.count_whole);
    look_up(library, "distances_free", &functions.destroy);
    return functions;
}

static NOINLINE void drop_blocks(struct hidden *hidden)
{
    for (size_t i = 0; i < HIDDEN_COUNT; i++)
        hide(hidden, i, malloc(32));
}

/* Whatever was freed too early is used again, and written to. */
static NOINLINE void use_memory(void)
{
    for (size_t i = 0; i < 100000; i++) {
        size_t bytes = 8 + i % 500;
        void *block = unknown(malloc(bytes));
        memset(block, 0xff, bytes);
    }
}

/* Where the program is not position-independent, these are other addresses than the library knows of the same functions. */
static void *(*volatile taken_malloc)(size_t);
static void (*volatile taken_free)(void *);

int main(int count, char **arguments)
{
    static struct hidden dropped;
    taken_malloc = malloc;
    taken_free = free;
    taken_free(taken_malloc(1));
    struct functions of = find_functions(count > 1 ? arguments[1] : NULL);
    void *set = of.make();
    drop_blocks(&dropped);
    collect_cleanly();
    CHECK(count_living(&dropped) < ONLY_STRAYS);
    use_memory();
    collect_cleanly();
    CHECK(of.count_whole(set) == of.count());
    of.destroy(set);
    return check_result();
}
