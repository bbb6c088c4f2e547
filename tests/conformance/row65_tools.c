/* SPDX-License-Identifier: MIT */
/* Row 65: the program runs under strace, valgrind and gdb as it does alone. A tool that is missing, or may not trace
 * here, is passed over. Valgrind without a checker: with one, the reserved terabyte alone costs seconds. */
#include <pthread.h>
#include <sys/wait.h>

#include "conformance.h"

#define THREADS 3

static char program[4096];

/* {}: the program and its arguments. */
static char *const tools[][16] = {
    {"strace", "-f", "-qq", "-o", "/dev/null", "{}"},
    {"valgrind", "-q", "--tool=none", "{}"},
    /* Threads that come and go, helpers of collections among them, would fill what is kept of the output. */
    {"gdb", "-nx", "-q", "-batch", "-return-child-result", "-iex", "set debuginfod enabled off", "-iex",
     "set print thread-events off", "-ex", "handle all nostop noprint pass", "-ex", "run", "--args", "{}"},
};

static void *work(void *data)
{
    char *held = make_held();
    for (int i = 0; i < 3000; i++) {
        char *block = malloc((size_t)(i % 1000));
        OPAQUE(block);
        if (i % 3 == 0)
            free(block);
        if (i % 1000 == 0)
            collect();
    }
    check_held(held);
    return data;
}

static int be_watched(void)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0);
    work(NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    puts("done");
    return 0;
}

/* Whether `what` ends well under the tool; its last words, if asked for, must be "done". */
static int run(char *const tool[], char *what, int must_say_done)
{
    char *words[20];
    char output[10000];
    size_t count = 0;
    size_t length = 0;
    ssize_t got;
    int ends[2];
    int status;
    for (; strcmp(tool[count], "{}") != 0; count++)
        words[count] = tool[count];
    words[count++] = what;
    words[count++] = must_say_done ? "work" : NULL;
    words[count] = NULL;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        execvp(words[0], words);
        _exit(127);
    }
    close(ends[1]);
    while ((got = read(ends[0], output + length, sizeof output - 1 - length)) > 0)
        length += (size_t)got;
    output[length] = '\0';
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child);
    int is_good = status == 0 && (!must_say_done || strstr(output, "done\n") != NULL);
    if (must_say_done && !is_good)
        fprintf(stderr, "%s: status %x\n%s\n", tool[0], (unsigned)status, output);
    return is_good;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return be_watched();
    CHECK(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
        if (run(tools[i], "/bin/true", 0))
            CHECK(run(tools[i], program, 1));
        else
            printf("%s: not here\n", tools[i][0]);
    }
    return 0;
}
