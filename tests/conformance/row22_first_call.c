/* SPDX-License-Identifier: MIT */
/* Row 22: malloc works before any constructor; a thread's first allocation may come from anywhere in the C library. */
#include <pthread.h>

#include "conformance.h"

static char *first;

static void before_everything(int argc, char **argv, char **environment)
{
    (void)argc;
    (void)argv;
    (void)environment;
    first = malloc(100);
    if (first != NULL)
        strcpy(first, "early");
}

__attribute__((section(".preinit_array"), used)) static void (*const hook)(int, char **, char **) = before_everything;

/* pthread_getattr_np holds a lock of the thread's descriptor while it allocates. */
static void *ask_for_attributes(void *data)
{
    pthread_attr_t attributes;
    CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    pthread_attr_destroy(&attributes);
    return data;
}

static void *first_is_realloc(void *data)
{
    free(realloc(NULL, 100));
    return data;
}

static void *first_is_free(void *data)
{
    free(data);
    return NULL;
}

int main(void)
{
    pthread_t threads[3];
    CHECK(first != NULL && strcmp(first, "early") == 0);
    CHECK(pthread_create(&threads[0], NULL, ask_for_attributes, NULL) == 0);
    CHECK(pthread_create(&threads[1], NULL, first_is_realloc, NULL) == 0);
    CHECK(pthread_create(&threads[2], NULL, first_is_free, malloc(50)) == 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    collect();
    CHECK(strcmp(first, "early") == 0);
    free(first);
    return 0;
}
