/* SPDX-License-Identifier: MIT */
/* Implementation of sanitizer.h. Until it lets start, no function of the C library is called that a sanitizer has, too. */
#include "api/programs/sanitizer.h"

#include <stddef.h>
#include <sys/syscall.h>

#include "api/programs/own_malloc.h"
#include "platform/context.h"
#include "platform/env.h"

#define CANNOT_RUN 126 /* as shells say, and `gcalloc run` */

/* Their first functions, where the process has them. */
#define RUNTIME(function) extern void function(void) __attribute__((weak))
RUNTIME(__asan_init);
RUNTIME(__msan_init);
RUNTIME(__tsan_init);
RUNTIME(__lsan_init);

static void report(const char *sanitizer, const char *rest)
{
    struct text text;
    gci_text_init(&text);
    gci_text_add(&text, "this program is built with the ");
    gci_text_add(&text, sanitizer);
    gci_text_add(&text, " sanitizer, ");
    gci_text_add(&text, rest);
    gci_env_report(&text);
}

/* Their account of memory is that of their own malloc. */
static void end_if(bool is_there, const char *sanitizer)
{
    if (!is_there)
        return;
    report(sanitizer, "which needs its own malloc: run it without gcalloc");
    gci_context_call_system(SYS_exit_group, CANNOT_RUN); /* the C library's _exit is one of those functions */
}

bool gci_sanitizer_lets_start(void)
{
    gci_own_malloc_look();
    if (SANITIZER_KNOWS_THREADS)
        return true; /* it is this library that is built with one */
    bool is_ours = !gci_own_malloc_is_there();
    if (is_ours) {
        end_if(__asan_init != NULL, "address");
        end_if(__msan_init != NULL, "memory");
        end_if(__tsan_init != NULL, "thread");
    }
    if (is_ours && __lsan_init != NULL)
        report("leak", "which knows no block of gcalloc's and finds no leak: `gcalloc leaks` does");
    if (__tsan_init != NULL)
        report("thread", "which has its own malloc: gcalloc does nothing in it");
    return __tsan_init == NULL;
}
