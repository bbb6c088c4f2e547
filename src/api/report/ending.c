/* SPDX-License-Identifier: MIT */
/* For what is told of leaks at exit: which part of the stack the program has left behind; and the end of the profile where a
 * process ends without exit. Shared libraries only, as a program that is linked statically has no loader to find the C library's
 * functions behind these.
 *
 * When main has returned, or has called exit, the C library goes on where the frames of main and of what it has called were,
 * and leaves holes in its own, with what was there before: addresses of blocks as a rule, each of which would hide a leak.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/init.h"
#include "api/interpose/real.h"
#include "base/options.h"
#include "platform/context.h"
#include "profile/look/request.h"
#include "profile/profile.h"
#include "world/roots.h"

DECLARE_NEXT(exit)

/* Return address and frame pointer of a function that asks for its frame's address. */
#define FRAME_HEAD_BYTES (2 * sizeof(void *))

static int exit_status;

static bool is_of_interest(void)
{
    return gci_options.mode == MODE_LEAKS || gci_options.profile != 0;
}

/* The frame behind this one is that of who has called exit, and still of use: its callers may hold something there, or in
 * registers that it has not saved. */
static void note_with_registers_saved(uintptr_t stack_pointer, void *frame_of_caller)
{
    const struct roots_caller caller = {.stack_pointer = (uintptr_t)frame_of_caller,
                                        .registers = {stack_pointer, stack_pointer + CONTEXT_SAVED_BYTES}};
    gci_leaks_note_exit(&caller);
    next_exit()(exit_status);
}

EXPORT void exit(int status)
{
    exit_status = status;
    if (is_of_interest())
        gci_context_call(note_with_registers_saved, (char *)__builtin_frame_address(0) + FRAME_HEAD_BYTES);
    next_exit()(status);
    __builtin_unreachable();
}

static void end_profile_with_registers_saved(uintptr_t stack_pointer, void *frame_of_caller)
{
    const struct roots_caller caller = {.stack_pointer = (uintptr_t)frame_of_caller,
                                        .registers = {stack_pointer, stack_pointer + CONTEXT_SAVED_BYTES}};
    gci_look_end_profile(&caller, gci_options.profile_graph != 0);
}

/* Handlers may be the first to call it: the loader is asked before. */
static void (*next_at_once)(int status);

__attribute__((constructor(102))) static void look_up_at_once(void)
{
    void *symbol = dlsym(RTLD_NEXT, "_exit");
    __builtin_memcpy(&next_at_once, &symbol, sizeof symbol);
}

/* Also of handlers, and of children of vfork and fork: nothing is done there but what may be done anywhere. */
EXPORT void _exit(int status)
{
    if (gci_profile_has_begun_file())
        gci_context_call(end_profile_with_registers_saved, (char *)__builtin_frame_address(0) + FRAME_HEAD_BYTES);
    if (next_at_once != NULL)
        next_at_once(status);
    for (;;)
        syscall(SYS_exit_group, status);
}

EXPORT void _Exit(int status) __attribute__((alias("_exit")));

typedef int (*main_fn)(int argc, char **argv, char **environment);

static main_fn program_main;

/* Frames behind this one are of the C library, and older than main. */
static int run_main(int argc, char **argv, char **environment)
{
    int status = program_main(argc, argv, environment);
    const struct roots_caller caller = {.stack_pointer = (uintptr_t)__builtin_frame_address(0) + FRAME_HEAD_BYTES};
    gci_leaks_note_exit(&caller);
    next_exit()(status);
    return status;
}

// NOLINTBEGIN(bugprone-reserved-identifier)

/* Every program's beginning, called by crt1.o. */
int __libc_start_main(main_fn main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*loader_fini)(void), void *stack_end);

DECLARE_NEXT(__libc_start_main)

EXPORT int __libc_start_main(main_fn main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                             void (*loader_fini)(void), void *stack_end)
{
    program_main = main;
    if (is_of_interest())
        main = run_main;
    return next___libc_start_main()(main, argc, argv, init, fini, loader_fini, stack_end);
}

// NOLINTEND(bugprone-reserved-identifier)
