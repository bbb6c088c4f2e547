/* SPDX-License-Identifier: MIT */
/* Collections must not fail because of a thread that a library started before gcalloc was set up (early_thread_lib.c):
 * 50 collections, none given up, and the thread's memory is intact. A program that never heard of gcalloc cannot start
 * its threads in a better order. */
#include "program.h"

#include <gcalloc.h>
#include <signal.h>

extern bool early_memory_has_changed(void);
extern void gca_stats_get(struct gca_stats *stats) __attribute__((weak));

int main(void)
{
    struct gca_stats stats = {.size = sizeof stats};
    check_library();
    usleep(20000);
    for (int i = 0; i < 50; i++) {
        for (int k = 0; k < 100; k++)
            memset(need(malloc(5000)), 'x', 5000);
        if (i % 10 == 0)
            kill(getpid(), SIGUSR1);
        collect();
    }
    if (early_memory_has_changed())
        fail("memory of the early thread has changed");
    if (under_gcalloc())
        gca_stats_get(&stats);
    printf("early_thread: %llu collections, %llu given up\n", (unsigned long long)stats.cycles,
           (unsigned long long)stats.cycles_given_up);
    if (stats.cycles_given_up != 0)
        fail("collections were given up");
    if (under_gcalloc() && stats.cycles < 50)
        fail("collections did not happen");
    return 0;
}
