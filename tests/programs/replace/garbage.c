/* SPDX-License-Identifier: MIT */
/* A program that never frees: 1 GiB in blocks of 64 bytes, and 1 GiB in larger ones, must stay far below 100 MiB. */
#include "check.h"

#include <stdlib.h>
#include <sys/resource.h>

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)
#define RSS_MAX_KIB (100 * 1024)

static void *volatile last;

static void waste(size_t total, size_t bytes)
{
    for (size_t done = 0; done < total; done += bytes) {
        void **p = malloc(bytes);
        p[0] = last;
        p[bytes / sizeof *p - 1] = p;
        last = done / MIB != (done + bytes) / MIB ? NULL : p; /* chains of 1 MiB */
    }
}

int main(void)
{
    struct rusage usage;
    waste(GIB, 64);
    waste(GIB, 5000);
    waste(GIB, 100000);
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    if (usage.ru_maxrss >= RSS_MAX_KIB)
        fprintf(stderr, "%ld KiB were resident\n", usage.ru_maxrss);
    CHECK(usage.ru_maxrss < RSS_MAX_KIB);
    struct gca_stats stats = {.size = sizeof stats};
    gca_stats_get(&stats);
    CHECK(stats.reclaimed_bytes > 2 * GIB && stats.cycles > 10);
    return check_result();
}
