/* SPDX-License-Identifier: MIT */
/* Row 67: with one thread and the same requests, two runs get the same layout, so that a fault comes back when the
 * program runs again. Distances between blocks count, as the base of the heap is random. */
#include <sys/personality.h>
#include <sys/wait.h>

#include "conformance.h"

#define BLOCKS 5000

static uint64_t state = 88172645463325252u;

/* A number made of all addresses of a long run, in their order. */
static uint64_t layout(void)
{
    static char *blocks[BLOCKS];
    uint64_t sum = 0;
    uintptr_t first = (uintptr_t)malloc(16);
    for (int step = 0; step < 400000; step++) {
        uint64_t random = next_random(&state);
        char **block = &blocks[random % BLOCKS];
        size_t bytes = (random >> 20) % ((size_t)16 << (random >> 50) % 12);
        if (*block != NULL && random >> 63 != 0) {
            free(*block);
            *block = NULL;
        } else {
            *block = realloc(*block, bytes + 1);
            CHECK(*block != NULL);
        }
        sum = (sum ^ ((uintptr_t)*block == 0 ? 0 : (uintptr_t)*block - first)) * 0x100000001b3;
    }
    return sum;
}

static uint64_t layout_of_other_run(void)
{
    int ends[2];
    int status;
    uint64_t sum = 0;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl("/proc/self/exe", "row67", "print", (char *)NULL);
        _exit(127);
    }
    CHECK(read(ends[0], &sum, sizeof sum) == sizeof sum);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(ends[0]);
    close(ends[1]);
    return sum;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        uint64_t sum = layout();
        return write(STDOUT_FILENO, &sum, sizeof sum) != sizeof sum;
    }
    if (personality(ADDR_NO_RANDOMIZE) == -1)
        return 0;
    uint64_t sum = layout_of_other_run();
    for (int run = 1; run < 5; run++)
        CHECK(layout_of_other_run() == sum);
    return 0;
}
