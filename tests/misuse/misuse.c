/* SPDX-License-Identifier: MIT */
/* misuse FUNCTION [PARAMETER]: makes the bad pointer, writes it (and the block it is in, or 0) to file 3, calls
 * FUNCTION. Only an abort is right; exit status 0 means that the misuse was accepted. */
#include "misuse.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REPORT_FILE 3
#define BAD_SETUP 3
#define STALE_STACK_BYTES 32768

static uintptr_t hidden_pointer;
static uintptr_t hidden_start = ~(uintptr_t)0;
static bool on_another_thread;
static pthread_t other_thread;
static sem_t may_misuse;
static const struct call *chosen;
static void misuse(void);

void bad_is(const void *pointer)
{
    hidden_pointer = ~(uintptr_t)pointer;
}

void bad_is_inside(const void *pointer, const void *start)
{
    hidden_pointer = ~(uintptr_t)pointer;
    hidden_start = ~(uintptr_t)start;
}

static void *wait_and_misuse(void *data)
{
    give(take(1)); /* what the thread needs of its own is made now */
    sem_wait(&may_misuse);
    misuse();
    return data;
}

void bad_on_another_thread(void)
{
    on_another_thread = true;
    sem_init(&may_misuse, 0, 0);
    require(pthread_create(&other_thread, NULL, wait_and_misuse, NULL) == 0, "a thread");
}

void require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "cannot set up the case: %s\n", what);
    _exit(BAD_SETUP);
}

void run_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    require(pthread_create(&thread, NULL, body, argument) == 0, "a thread");
    pthread_join(thread, NULL);
}

static __attribute__((noinline)) void overwrite_stack(void)
{
    char stale[STALE_STACK_BYTES];
    memset(stale, 0, sizeof stale);
    __asm__ volatile("" : : "r"(stale) : "memory");
}

__attribute__((noinline)) void collect_cleanly(void)
{
    overwrite_stack();
    gca_collect();
}

/* ---- The functions ----------------------------------------------------------------------------------------------- */

static volatile uintptr_t sink;

static void call_gca_free(void *p)
{
    gca_free(p);
}

static void call_gca_realloc(void *p)
{
    sink = (uintptr_t)gca_realloc(p, 100);
}

static void call_gca_realloc_zero(void *p)
{
    sink = (uintptr_t)gca_realloc(p, 0);
}

static void call_gca_reallocarray(void *p)
{
    sink = (uintptr_t)gca_reallocarray(p, 10, 10);
}

static void call_gca_usable_size(void *p)
{
    sink = gca_usable_size(p);
}

#ifndef CORE_ONLY
static void call_free(void *p)
{
    free(p);
}

static void call_realloc(void *p)
{
    sink = (uintptr_t)realloc(p, 100);
}

static void call_realloc_zero(void *p)
{
    sink = (uintptr_t)realloc(p, 0);
}

static void call_realloc_large(void *p)
{
    sink = (uintptr_t)realloc(p, (size_t)1 << 20);
}

static void call_reallocarray(void *p)
{
    sink = (uintptr_t)reallocarray(p, 10, 10);
}

static void call_malloc_usable_size(void *p)
{
    sink = malloc_usable_size(p);
}

/* Names that headers do not have everywhere. */
static void *find(const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    require(found != NULL, name);
    return found;
}

static void call_by_name(const char *name, void *p)
{
    void (*function)(void *);
    *(void **)&function = find(name);
    function(p);
}

static void call_with_size(const char *name, void *p)
{
    void (*function)(void *, size_t);
    *(void **)&function = find(name);
    function(p, 48);
}

static void call_with_two_sizes(const char *name, void *p)
{
    void (*function)(void *, size_t, size_t);
    *(void **)&function = find(name);
    function(p, 16, 48);
}
#endif

struct call {
    const char *name;
    void (*run)(void *);
    void (*run_by_name)(const char *, void *);
};

static const struct call calls[] = {
    {"gca_free", call_gca_free, NULL},
    {"gca_realloc", call_gca_realloc, NULL},
    {"gca_realloc:zero", call_gca_realloc_zero, NULL},
    {"gca_reallocarray", call_gca_reallocarray, NULL},
    {"gca_usable_size", call_gca_usable_size, NULL},
#ifndef CORE_ONLY
    {"free", call_free, NULL},
    {"realloc", call_realloc, NULL},
    {"realloc:zero", call_realloc_zero, NULL},
    {"realloc:large", call_realloc_large, NULL},
    {"reallocarray", call_reallocarray, NULL},
    {"malloc_usable_size", call_malloc_usable_size, NULL},
    {"cfree", NULL, call_by_name},
    {"free_sized", NULL, call_with_size},
    {"free_aligned_sized", NULL, call_with_two_sizes},
    {"_ZdlPv", NULL, call_by_name},
    {"_ZdaPv", NULL, call_by_name},
    {"_ZdlPvm", NULL, call_with_size},
    {"_ZdlPvSt11align_val_t", NULL, call_with_size},
#endif
};

static void misuse(void)
{
    const struct call *call = chosen;
    void *pointer = unknown((void *)~hidden_pointer);
    if (call->run != NULL)
        call->run(pointer);
    else
        call->run_by_name(call->name, pointer);
}

static void report_addresses(void)
{
    char line[64];
    int length =
        snprintf(line, sizeof line, "0x%lx 0x%lx\n", (unsigned long)~hidden_pointer, (unsigned long)~hidden_start);
    require(write(REPORT_FILE, line, (size_t)length) == length, "file 3 to report to");
}

int main(int argc, char **argv)
{
    require(argc >= 2, "the function's name");
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (strcmp(calls[i].name, argv[1]) != 0)
            continue;
        chosen = &calls[i];
        make_bad_pointer(argc > 2 ? strtoul(argv[2], NULL, 0) : 0);
        report_addresses();
        if (on_another_thread) {
            sem_post(&may_misuse);
            pthread_join(other_thread, NULL);
        } else {
            misuse();
        }
        return 0;
    }
    require(false, "a function of that name");
}
