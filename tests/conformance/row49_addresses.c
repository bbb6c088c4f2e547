/* SPDX-License-Identifier: MIT */
/* Row 49: blocks lie in memory that cannot be executed, at other addresses in each run. */
#include <sys/personality.h>
#include <sys/wait.h>

#include "conformance.h"

#define RUNS 8

static void check_not_executable(const void *block)
{
    char line[400];
    int was_found = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    CHECK(block != NULL && file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        uintptr_t low;
        uintptr_t high;
        char rights[5];
        CHECK(sscanf(line, "%zx-%zx %4s", &low, &high, rights) == 3);
        if ((uintptr_t)block < low || (uintptr_t)block >= high)
            continue;
        CHECK(rights[0] == 'r' && rights[1] == 'w' && rights[2] == '-');
        was_found = 1;
    }
    fclose(file);
    CHECK(was_found);
}

/* The addresses that this program gets in a run of its own. */
static void ask_other_run(uintptr_t addresses[2])
{
    int ends[2];
    int status;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl("/proc/self/exe", "row49", "print", (char *)NULL);
        _exit(127);
    }
    CHECK(read(ends[0], addresses, 2 * sizeof *addresses) == 2 * sizeof *addresses);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(ends[0]);
    close(ends[1]);
}

int main(int argc, char **argv)
{
    uintptr_t addresses[2] = {(uintptr_t)malloc(100), (uintptr_t)malloc(10000000)};
    (void)argv;
    if (argc > 1)
        return write(STDOUT_FILENO, addresses, sizeof addresses) != sizeof addresses;
    for (size_t bytes = 10; bytes < 100000000; bytes *= 10)
        check_not_executable(malloc(bytes));
    if ((personality(0xffffffff) & ADDR_NO_RANDOMIZE) != 0)
        return 0; /* under a debugger, say */
    int same[2] = {0, 0};
    for (int run = 0; run < RUNS; run++) {
        uintptr_t other[2];
        ask_other_run(other);
        for (int i = 0; i < 2; i++)
            same[i] += other[i] == addresses[i];
    }
    CHECK(same[0] < RUNS / 2 && same[1] < RUNS / 2);
    return 0;
}
