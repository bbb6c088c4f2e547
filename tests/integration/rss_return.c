/* SPDX-License-Identifier: MIT */
/* Memory goes back to the system: 256 MiB are allocated, used and freed (or, with the argument `drop`, just dropped);
 * after malloc_trim or a collection the resident size falls below a quarter of that within five seconds. Blocks of
 * all sizes. */
#include "program.h"

#include <malloc.h>

#define TOTAL (256 * MIB)
#define COUNT 20000

static void **blocks;

static size_t size_of(size_t i)
{
    static const size_t sizes[] = {64, 1024, 4096, 9000, 40000, 300000, 24, 200};
    return sizes[i % (sizeof sizes / sizeof sizes[0])];
}

/* Returns the number of blocks. The table itself is a block too and is left alone. */
static size_t fill(void)
{
    size_t n = 0, bytes = 0;
    for (; bytes < TOTAL && n < COUNT; n++) {
        blocks[n] = need(malloc(size_of(n)));
        memset(blocks[n], 0x5a, size_of(n));
        bytes += size_of(n);
    }
    if (bytes < TOTAL)
        fail("only %zu bytes", bytes);
    return n;
}

int main(int argc, char **argv)
{
    bool drop = argc > 1 && strcmp(argv[1], "drop") == 0;
    size_t before, full, after = 0;
    double began;
    check_library();
    if (drop && !under_gcalloc()) {
        puts("rss_return: nothing to show without gcalloc");
        return 0;
    }
    blocks = need(calloc(COUNT, sizeof *blocks));
    before = status_bytes("VmRSS");
    size_t n = fill();
    full = status_bytes("VmRSS");
    if (full < before + TOTAL)
        fail("RSS is %zu KiB with %zu KiB in use", full / 1024, TOTAL / 1024);
    for (size_t i = 0; i < n; i++) {
        if (!drop)
            free(blocks[i]);
        blocks[i] = NULL;
    }
    for (began = now_seconds(); now_seconds() - began < 5; usleep(100000)) {
        collect();
        malloc_trim(0);
        after = status_bytes("VmRSS");
        if (after < before + TOTAL / 4)
            break;
    }
    printf("rss_return%s: RSS %zu MiB before, %zu MiB full, %zu MiB after %.1f s\n", drop ? " drop" : "", before / MIB,
           full / MIB, after / MIB, now_seconds() - began);
    if (after >= before + TOTAL / 4)
        fail("memory was not given back");
    return 0;
}
