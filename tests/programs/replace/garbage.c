/* SPDX-License-Identifier: MIT */
/* A program that never frees: 1 GiB in blocks of 64 bytes, and 1 GiB in larger ones, must stay far below 100 MiB. So it must
 * where the sizes change: what blocks of other sizes have left behind in memory that is not written yet keeps nothing. */
#include "check.h"

#include <stdlib.h>

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)
#define PEAK_MAX_KIB (100 * 1024)

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

/* Of this program alone: getrusage would count what its parent was before exec. */
static long peak_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL && sscanf(line, "VmHWM: %ld", &kib) != 1)
        ;
    fclose(status);
    return kib;
}

int main(void)
{
    waste(GIB, 64);
    waste(GIB, 5000);
    waste(GIB, 100000);
    for (size_t bytes = 64; bytes <= 4096; bytes *= 2)
        waste(GIB / 4, bytes);
    long peak = peak_kib();
    if (peak >= PEAK_MAX_KIB)
        fprintf(stderr, "%ld KiB were resident\n", peak);
    CHECK(peak > 0 && peak < PEAK_MAX_KIB);
    struct gca_stats stats = {.size = sizeof stats};
    gca_stats_get(&stats);
    CHECK(stats.reclaimed_bytes > 2 * GIB && stats.cycles > 10);
    return check_result();
}
