/* SPDX-License-Identifier: MIT */
/* What has leaked, told when the program asks and, in mode leaks, when it exits. */
#include <gcalloc.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/init.h"
#include "api/programs/sandbox.h"
#include "base/options.h"
#include "heap/heap.h"
#include "heap/region.h"
#include "platform/context.h"
#include "platform/env.h"
#include "platform/stop.h"
#include "platform/thread.h"
#include "profile/look/leak_groups.h"
#include "profile/look/leak_report.h"
#include "profile/profile.h"
#include "world/critical.h"

#define STACK_BYTES ((size_t)128 << 10) /* as much as the collector takes for its own */
#define STOPS_MAX 10 /* at exit: on a busy machine a thread may wait for longer than a stop may last */

/* At exit, nothing is said of nothing: there may be many processes. */
static int report(int descriptor, const struct roots_caller *caller, bool is_exit, bool *has_leaked)
{
    struct leak_groups found;
    int failure = gci_leak_groups_find(&found, caller);
    if (failure != 0)
        return failure;
    *has_leaked = found.count != 0;
    bool is_written = (!*has_leaked && is_exit) || gci_leak_report_write(descriptor, &found);
    gci_leak_groups_forget(&found);
    return is_written ? 0 : EIO;
}

/* What is asked, with the stack of who asks: frames of ours, which have what was there before in their holes, are none of its. */
struct question {
    int descriptor;
    void *frame_of_caller;
    int answer;
};

static void answer_with_registers_saved(uintptr_t stack_pointer, void *data)
{
    struct question *question = data;
    const struct roots_caller caller = {.stack_pointer = (uintptr_t)question->frame_of_caller,
                                        .registers = {stack_pointer, stack_pointer + CONTEXT_SAVED_BYTES}};
    bool has_leaked;
    question->answer = report(question->descriptor, &caller, false, &has_leaked);
}

/* Above the frame's address are the frame pointer, which is the caller's, and the return address. */
GCA_API int gca_leaks_report(int descriptor)
{
    struct question question = {.descriptor = descriptor, .frame_of_caller = __builtin_frame_address(0)};
    gci_init_take_signal();
    gci_context_call(answer_with_registers_saved, &question);
    return question.answer;
}

/* What the thread that has called exit was doing; thread 0: not known. Its control block names it, as to ask the system is
 * no call that every sandbox expects. */
static struct roots_caller exit_caller;
static uintptr_t exit_thread;

void gci_leaks_note_exit(const struct roots_caller *caller)
{
    exit_caller = *caller;
    exit_thread = gci_thread_control_block();
}

static void tell_unknown(int failure)
{
    struct text text;
    const char *cause = failure == EAGAIN ? "not every thread could be stopped" : strerrordesc_np(failure);
    gci_text_init(&text);
    gci_text_add(&text, "leaks are not known: ");
    gci_text_add(&text, cause != NULL ? cause : "unknown error");
    gci_env_report(&text);
}

static void tell_at_exit(void *data)
{
    const struct roots_caller *caller = data;
    bool has_leaked = false;
    gci_profile_at_exit(caller, gci_options.profile_graph != 0);
    if (gci_options.mode != MODE_LEAKS || !gci_options.leaks_report || gci_sandbox_is_entered())
        return;
    int failure = EAGAIN;
    for (int i = 0; i < STOPS_MAX && failure == EAGAIN; i++)
        failure = report(gci_env_error_stream(), caller, true, &has_leaked);
    if (failure != 0 && failure != EIO) /* EIO: there is nowhere to tell anything */
        tell_unknown(failure);
    if (!has_leaked || gci_options.leaks_exit_code == 0)
        return;
    fflush(NULL);
    _exit((int)gci_options.leaks_exit_code);
}

/* Of a handler that exits, the frame of its signal may have left too little of an alternate stack. NULL: this one will do, as it
 * does where nothing is told: in a sandbox, to ask for the alternate stack might be the end. */
static char *take_stack_for_handler(uintptr_t stack_pointer)
{
    bool tells = gci_options.mode == MODE_LEAKS || gci_profile_has_begun_file();
    if (!tells || gci_sandbox_is_entered() || !range_contains(gci_stop_alternate_stack(), stack_pointer))
        return NULL;
    critical_enter();
    char *stack = gci_heap_take_meta(&gci_heap, STACK_BYTES);
    critical_leave();
    return stack;
}

/* The C library calls this behind all other handlers of exit, as it was registered before them. Frames of ours, which begin
 * here, hold nothing of the program's. */
static NOINLINE void at_exit(void *unused)
{
    struct roots_caller own = {.stack_pointer = (uintptr_t)__builtin_frame_address(0)};
    struct roots_caller *caller = exit_thread == gci_thread_control_block() ? &exit_caller : &own;
    char *stack = take_stack_for_handler(own.stack_pointer);
    (void)unused;
    if (stack != NULL)
        gci_context_call_on(stack + STACK_BYTES, tell_at_exit, caller);
    else
        tell_at_exit(caller);
}

// NOLINTBEGIN(bugprone-reserved-identifier)
extern int __cxa_atexit(void (*function)(void *), void *data, void *module);
extern int __cxa_at_quick_exit(void (*function)(void *), void *module);
// NOLINTEND(bugprone-reserved-identifier)

/* Of no module, so that it does not run with the destructors of this library: later, when those of all others have run. */
void gci_leaks_init(void)
{
    if (gci_options.mode == MODE_LEAKS)
        gci_env_keep_error_stream();
    __cxa_atexit(at_exit, NULL, NULL);
    __cxa_at_quick_exit(at_exit, NULL);
}
