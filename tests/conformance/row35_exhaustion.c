/* SPDX-License-Identifier: MIT */
/* Row 35: four threads under an address space limit that the process sets itself; NULL, and success after free. */
#include <pthread.h>
#include <sys/resource.h>

#include "conformance.h"

struct link {
    struct link *next;
    char rest[4000];
};

static pthread_barrier_t barrier;

static void *exhaust(void *data)
{
    struct link *list = NULL;
    pthread_barrier_wait(&barrier);
    for (;;) {
        struct link *link = malloc(sizeof *link);
        if (link == NULL)
            break;
        link->next = list;
        list = link;
    }
    CHECK(errno == ENOMEM);
    pthread_barrier_wait(&barrier);
    while (list != NULL) {
        struct link *next = list->next;
        free(list);
        list = next;
    }
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 100; i++) {
        void *block = malloc(4000);
        CHECK(block != NULL);
        free(block);
    }
    return data;
}

int main(void)
{
    struct rlimit limit = {(rlim_t)300 << 20, (rlim_t)300 << 20};
    pthread_t threads[4];
    free(malloc(100));
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, exhaust, NULL) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
