/* SPDX-License-Identifier: MIT */
/* Row 64: whatever the environment sets options to, the program runs: a line for each bad value at most. A program with
 * more rights than its caller takes no notice of them: no line, no file. */
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "conformance.h"

#define OUTPUT_BYTES 20000

static const char *const names[] = {
    "MODE",         "VERBOSE",          "STATS",   "STATS_FILE", "HEAP_LIMIT",
    "MIN_HEADROOM", "STOP_DEADLINE_MS", "MARKERS", "SIMD",       "VERIFY",
    "STOP_SIGNAL",  "RELEASE_MS",       "TORTURE", "NO_SUCH",    "",
};
#define NAME_COUNT (sizeof names / sizeof *names)

static void set_all(const char *value)
{
    char variable[64];
    for (size_t i = 0; i < NAME_COUNT; i++) {
        snprintf(variable, sizeof variable, "GCALLOC_%s", names[i]);
        int is_file = strcmp(names[i], "STATS_FILE") == 0;
        CHECK(setenv(variable, is_file && *value != '\0' ? "/proc/no/such/file" : value, 1) == 0);
    }
}

/* The exit status of a run of `program`, and all that it wrote to standard error. */
static int run(const char *program, const char *argument, const char *value, char *output)
{
    int ends[2];
    int status;
    size_t length = 0;
    ssize_t got;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        set_all(value);
        if (strcmp(argument, "secure") == 0 &&
            (setenv("GCALLOC_STATS_FILE", getenv("ROW64_FILE"), 1) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
            _exit(126);
        dup2(ends[1], STDERR_FILENO);
        execl(program, "row64", argument, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    while ((got = read(ends[0], output + length, OUTPUT_BYTES - 1 - length)) > 0)
        length += (size_t)got;
    output[length] = '\0';
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

static void check_lines(const char *output)
{
    size_t lines = 0;
    for (; *output != '\0'; lines++) {
        CHECK(strncmp(output, "gcalloc: ", 9) == 0);
        output = strchr(output, '\n');
        CHECK(output != NULL);
        output++;
    }
    CHECK(lines <= NAME_COUNT);
}

static void check_bad_values(void)
{
    static char output[OUTPUT_BYTES];
    static char lengthy[5000];
    memset(lengthy, '9', sizeof lengthy - 1);
    const char *const values[] = {
        "", " ", "banana", "-1", "0x10", "1e9", "99999999999999999999999", "1KK", "\xff\xfe", "%s%n", "a=b", lengthy,
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        CHECK(run("/proc/self/exe", "work", values[i], output) == 0);
        check_lines(output);
    }
}

static void copy_file(const char *from, const char *to)
{
    static char buffer[65536];
    ssize_t got;
    int in = open(from, O_RDONLY);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0700);
    CHECK(in >= 0 && out >= 0);
    while ((got = read(in, buffer, sizeof buffer)) > 0)
        CHECK(write(out, buffer, (size_t)got) == got);
    CHECK(fchmod(out, 04755) == 0);
    close(in);
    close(out);
}

/* A copy of this program that belongs to root and runs as such, started by nobody. */
static void check_secure(void)
{
    char folder[] = "/tmp/row64.XXXXXX";
    char program[64];
    char file[64];
    static char output[OUTPUT_BYTES];
    CHECK(mkdtemp(folder) != NULL && chmod(folder, 0777) == 0);
    snprintf(program, sizeof program, "%s/program", folder);
    snprintf(file, sizeof file, "%s/figures", folder);
    copy_file("/proc/self/exe", program);
    setenv("ROW64_FILE", file, 1);
    int status = run(program, "secure", "1", output);
    int has_file = access(file, F_OK) == 0;
    unlink(program);
    unlink(file);
    CHECK(rmdir(folder) == 0);
    CHECK(WIFEXITED(status));
    int code = WEXITSTATUS(status);
    CHECK(code == 0 || code == 77 || code == 126 || code == 127); /* the last three: not possible here */
    if (code == 0)
        CHECK(!has_file && output[0] == '\0');
    printf("more rights than the caller: status %x\n", (unsigned)status);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        for (int i = 0; i < 10000; i++)
            memset(malloc(500), 1, 500);
        collect();
        return strcmp(argv[1], "secure") == 0 && getauxval(AT_SECURE) == 0 ? 77 : 0;
    }
    check_bad_values();
    if (geteuid() == 0)
        check_secure();
    return 0;
}
