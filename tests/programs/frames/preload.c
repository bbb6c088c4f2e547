/* SPDX-License-Identifier: MIT */
/* A library to preload: walks at each malloc of a program, and compares some of the stacks with the compiler's own unwinder. At
 * the end it appends a line to the file FRAMES_RESULT: the program, its mallocs, how many stacks were compared, how many of
 * them are the same. Those that are not are shown on standard error. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "compare.h"

extern void *__libc_malloc(size_t bytes); /* the C library's malloc, whoever else is called that */

#define COMPARED_EACH 13
#define SHOWN_MAX 3

static unsigned long mallocs, compared, same;
static bool is_started;
static __thread bool is_walking;

static NOINLINE void walk(void)
{
    static __thread struct stack ours, theirs;
    walk_ours(&ours);
    if (__atomic_add_fetch(&mallocs, 1, __ATOMIC_RELAXED) % COMPARED_EACH != 0)
        return;
    walk_theirs(&theirs);
    theirs.addresses[0] = ours.addresses[0]; /* the place in this function */
    __atomic_add_fetch(&compared, 1, __ATOMIC_RELAXED);
    if (is_same_stack(&ours, &theirs))
        __atomic_add_fetch(&same, 1, __ATOMIC_RELAXED);
    else if (compared - same <= SHOWN_MAX)
        print_both(&ours, &theirs);
}

__attribute__((visibility("default"))) void *malloc(size_t bytes)
{
    int saved = errno;
    if (is_started && !is_walking) {
        is_walking = true;
        walk();
        is_walking = false;
    }
    errno = saved;
    return __libc_malloc(bytes);
}

__attribute__((constructor)) static void start(void)
{
    struct stack stack;
    is_walking = true;
    walk_theirs(&stack); /* which loads a library and allocates when it is first called */
    gci_context_callers_init();
    is_started = true;
    is_walking = false;
}

__attribute__((destructor)) static void tell(void)
{
    char line[256];
    const char *path = getenv("FRAMES_RESULT");
    is_walking = true;
    int length =
        snprintf(line, sizeof line, "%s %lu %lu %lu\n", program_invocation_short_name, mallocs, compared, same);
    int file = path != NULL ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (file < 0 || write(file, line, (size_t)length) != length)
        fprintf(stderr, "FRAMES_RESULT: %s\n", line);
}
