/* SPDX-License-Identifier: MIT */
/* Row 53: a list of ten million links is marked from a thread with a tiny stack. */
#include <limits.h>
#include <pthread.h>

#include "conformance.h"

struct link {
    struct link *next;
    size_t number;
};

static void *run(void *data)
{
    struct link *list = NULL;
    for (size_t i = 0; i < 10000000; i++) {
        struct link *link = malloc(sizeof *link);
        *link = (struct link){list, i};
        list = link;
    }
    collect();
    size_t expected = 10000000;
    for (; list != NULL; list = list->next)
        CHECK(list->number == --expected);
    CHECK(expected == 0);
    return data;
}

int main(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    CHECK(pthread_create(&thread, &attributes, run, NULL) == 0);
    pthread_join(thread, NULL);
    return 0;
}
