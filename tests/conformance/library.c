/* SPDX-License-Identifier: MIT */
/* A library to be loaded at run time: static roots, thread-local roots, a malloc at load, and blocks for others. */
#include <stdlib.h>
#include <string.h>

static void *root;
static _Thread_local void *thread_root;
static void *from_constructor;

void library_keep(void *pointer);
void *library_kept(void);
void library_keep_in_thread(void *pointer);
void *library_kept_in_thread(void);
char *library_duplicate(const char *text);
void library_release(void *block);

__attribute__((constructor)) static void start(void)
{
    from_constructor = malloc(100);
}

__attribute__((destructor)) static void end(void)
{
    free(from_constructor);
}

void library_keep(void *pointer)
{
    root = pointer;
}

void *library_kept(void)
{
    return root;
}

void library_keep_in_thread(void *pointer)
{
    thread_root = pointer;
}

void *library_kept_in_thread(void)
{
    return thread_root;
}

char *library_duplicate(const char *text)
{
    return strdup(text);
}

void library_release(void *block)
{
    free(block);
}
