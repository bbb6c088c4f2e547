/* SPDX-License-Identifier: MIT */
/* Calls that change the process as a whole: its address space limit, its libraries, and the program that it runs.
 *
 * exec: a stop signal that is on its way to the calling thread would meet the new program with its default action and
 * end it. So no collection runs while a thread execs. A child of vfork shares our memory but not our threads: it passes.
 * What the profile knows of the program that ends is written first.
 *
 * Sandboxes: a filter of seccomp may end the process at the calls of a collection, and nobody can ask it, as asking is a call.
 * So collections end before one is installed, if it cannot be read from its program that it lets them through. What cannot be
 * installed (libraries probe so) changes nothing.
 */
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "alloc/alloc.h"
#include "api/interpose/real.h"
#include "api/programs/sandbox.h"
#include "collect/cycle.h"
#include "heap/region.h"
#include "platform/context.h"
#include "platform/thread.h"
#include "platform/vm.h"
#include "profile/profile.h"
#include "world/critical.h"

extern char **environ;

/* ---- Libraries ---------------------------------------------------------------------------------------------------- */

DECLARE_NEXT(dlclose)

EXPORT int dlclose(void *library)
{
    __typeof__(&dlclose) next = next_dlclose();
    gci_profile_try_note(PROFILE_NOTE_MODULES); /* its addresses have names as long as it is known where it was */
    int result = next != NULL ? next(library) : -1;
    gci_context_forget_closed();
    return result;
}

/* ---- Limits ------------------------------------------------------------------------------------------------------- */

/* Our reservation would eat up a new, lower limit by itself: it shrinks to what a process that starts with it reserves. */
static void make_room_below(const struct rlimit *limit)
{
    if (limit->rlim_cur == RLIM_INFINITY || !gci_alloc_is_ready())
        return;
    critical_enter();
    gci_region_shrink(&gci_heap, (size_t)limit->rlim_cur);
    critical_leave();
}

/* The system is called directly, in both: a sanitizer that begins has no other function yet, a static program never. */
COMES_BEFORE_SANITIZER EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    if (resource == RLIMIT_AS)
        make_room_below(limit);
    return (int)syscall(SYS_setrlimit, resource, limit);
}

EXPORT int prlimit(pid_t process, enum __rlimit_resource resource, const struct rlimit *limit, struct rlimit *old)
{
    if (resource == RLIMIT_AS && limit != NULL && (process == 0 || (uint32_t)process == gci_process_id()))
        make_room_below(limit);
    return (int)syscall(SYS_prlimit64, process, resource, limit, old);
}

/* On 64-bit systems the two names are one type and one function each. */
EXPORT int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit) __attribute__((alias("setrlimit")));
EXPORT int prlimit64(pid_t process, enum __rlimit_resource resource, const struct rlimit64 *limit, struct rlimit64 *old)
    __attribute__((alias("prlimit")));

/* ---- Sandboxes ---------------------------------------------------------------------------------------------------- */

/* Nothing is installed. Instead of an error the call seccomp may name a thread whose filters differ; a listener's number is no
 * refusal. */
static bool is_refused(long number, long result, uintptr_t flags)
{
    return result < 0 || (number == SYS_seccomp && result > 0 && (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) == 0);
}

/* Makes the call, which is prctl or seccomp; filter NULL: the strict mode. */
static long enter_sandbox(const void *filter, long number, uintptr_t first, uintptr_t second, uintptr_t third)
{
    bool is_ours = gci_alloc_is_ready() && gci_sandbox_enter(filter);
    long result = gci_context_call_system(number, first, second, third, 0, 0, 0);
    int saved = errno;
    if (is_ours && is_refused(number, result, second))
        gci_sandbox_leave();
    else if (is_ours)
        gci_sandbox_decided();
    if (result == 0 && is_ours && filter == NULL)
        gci_vm_cut_off_thread();
    errno = saved;
    return result;
}

static const void *as_filter(uintptr_t word)
{
    return (const void *)word; // NOLINT(performance-no-int-to-ptr)
}

EXPORT int prctl(int option, ...)
{
    va_list list;
    va_start(list, option);
    uintptr_t first = va_arg(list, uintptr_t);
    uintptr_t second = va_arg(list, uintptr_t);
    uintptr_t third = va_arg(list, uintptr_t);
    uintptr_t fourth = va_arg(list, uintptr_t);
    va_end(list);
    bool is_strict = option == PR_SET_SECCOMP && first == SECCOMP_MODE_STRICT;
    if (is_strict || (option == PR_SET_SECCOMP && first == SECCOMP_MODE_FILTER && second != 0))
        return (int)enter_sandbox(is_strict ? NULL : as_filter(second), SYS_prctl, PR_SET_SECCOMP, first, second);
    return (int)gci_context_call_system(SYS_prctl, option, first, second, third, fourth, 0);
}

/* syscall(SYS_seccomp, ...); the C library has no function for it. */
long gci_process_seccomp(long number, unsigned operation, unsigned flags, void *filter) HIDDEN __attribute__((used));
long gci_process_seccomp(long number, unsigned operation, unsigned flags, void *filter)
{
    bool is_strict = operation == SECCOMP_SET_MODE_STRICT && flags == 0 && filter == NULL;
    if (is_strict || (operation == SECCOMP_SET_MODE_FILTER && filter != NULL))
        return enter_sandbox(is_strict ? NULL : filter, number, operation, flags, (uintptr_t)filter);
    return gci_context_call_system(number, operation, flags, filter, 0, 0, 0);
}

CONTEXT_DIVERT(EXPORT long, syscall, SYS_seccomp, gci_process_seccomp, gci_context_call_system)

/* ---- Exec --------------------------------------------------------------------------------------------------------- */

DECLARE_NEXT(execve)
DECLARE_NEXT(execvpe)
DECLARE_NEXT(fexecve)

/* Not in the headers of every glibc: 2.34. */
int execveat(int directory, const char *path, char *const arguments[], char *const environment[], int flags);
DECLARE_NEXT(execveat)

/* Makes the call, which returns only when it fails, with collections held off. What is known of this program is in its profile
 * before. */
#define WITHOUT_COLLECTIONS(call)                                                                                      \
    bool holds = gci_cycle_hold_off();                                                                                 \
    if (holds)                                                                                                         \
        gci_profile_try_note(PROFILE_NOTE_ALL);                                                                        \
    int result = call;                                                                                                 \
    if (holds)                                                                                                         \
        gci_cycle_let_on();                                                                                            \
    return result;

EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
    WITHOUT_COLLECTIONS(next_execve()(path, arguments, environment))
}

EXPORT int execv(const char *path, char *const arguments[])
{
    return execve(path, arguments, environ);
}

EXPORT int execvpe(const char *file, char *const arguments[], char *const environment[])
{
    WITHOUT_COLLECTIONS(next_execvpe()(file, arguments, environment))
}

EXPORT int execvp(const char *file, char *const arguments[])
{
    return execvpe(file, arguments, environ);
}

#define ARGUMENTS_MAX 1024 /* on the stack; calls of execl have what is written out in the source */

/* Copies the arguments, `first` and those of the list up to NULL. False with E2BIG where they do not fit. */
static bool take_arguments(char *arguments[ARGUMENTS_MAX], const char *first, va_list *list)
{
    size_t count = 0;
    /* The analyzer does not follow lists through pointers. */
    for (const char *at = first; count < ARGUMENTS_MAX; at = va_arg(*list, const char *)) { // NOLINT
        __builtin_memcpy(&arguments[count++], &at, sizeof at);
        if (at == NULL)
            return true;
    }
    errno = E2BIG;
    return false;
}

EXPORT int execl(const char *path, const char *first, ...)
{
    char *arguments[ARGUMENTS_MAX];
    va_list list;
    va_start(list, first);
    bool fits = take_arguments(arguments, first, &list);
    va_end(list);
    return fits ? execve(path, arguments, environ) : -1;
}

EXPORT int execlp(const char *file, const char *first, ...)
{
    char *arguments[ARGUMENTS_MAX];
    va_list list;
    va_start(list, first);
    bool fits = take_arguments(arguments, first, &list);
    va_end(list);
    return fits ? execvpe(file, arguments, environ) : -1;
}

EXPORT int execle(const char *path, const char *first, ...)
{
    char *arguments[ARGUMENTS_MAX];
    va_list list;
    va_start(list, first);
    bool fits = take_arguments(arguments, first, &list);
    char *const *environment = fits ? va_arg(list, char *const *) : NULL; // NOLINT: as above
    va_end(list);
    return fits ? execve(path, arguments, environment) : -1;
}

EXPORT int execveat(int directory, const char *path, char *const arguments[], char *const environment[], int flags)
{
    WITHOUT_COLLECTIONS(next_execveat()(directory, path, arguments, environment, flags))
}

EXPORT int fexecve(int descriptor, char *const arguments[], char *const environment[])
{
    WITHOUT_COLLECTIONS(next_fexecve()(descriptor, arguments, environment))
}
