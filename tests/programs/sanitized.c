/* SPDX-License-Identifier: MIT */
/* A program that is built with a sanitizer, and gcalloc in front of it: it allocates, on two threads, and loses nothing. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *work(void *data)
{
    for (size_t i = 0; i < 100000; i++) {
        size_t bytes = i % 1000 + 1;
        void *volatile block = malloc(bytes);
        memset(block, 1, bytes);
        free(block);
    }
    return data;
}

int main(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, NULL) != 0)
        return 1;
    work(NULL);
    pthread_join(thread, NULL);
    puts("went to its end");
    return 0;
}
