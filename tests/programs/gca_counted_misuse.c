/* SPDX-License-Identifier: MIT */
/* What is wrong with a counted pointer: one line that names function, pointer and cause, then abort. */
#include "check.h"

#include <gcalloc/rc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int variable;

static void release_stack(void)
{
    gca_release(&variable);
}

static void retain_plain(void)
{
    gca_retain(gca_malloc(64));
}

static void count_plain(void)
{
    CHECK(gca_rc_count(gca_malloc(64)) == 0);
}

static void release_twice(void)
{
    void *object = gca_rc_new(64, NULL);
    gca_release(object);
    gca_release(object);
}

static void retain_released(void)
{
    void *object = gca_rc_new(64, NULL);
    gca_release(object);
    gca_retain(object);
}

static void retain_itself(void *object)
{
    gca_retain(object);
}

static void retain_dying(void)
{
    static const gca_type type = {.name = "lazarus", .destroy = retain_itself};
    gca_release(gca_rc_new(64, &type));
}

static void release_itself(void *object)
{
    gca_release(object);
}

static void release_dying(void)
{
    static const gca_type type = {.name = "hasty", .destroy = release_itself};
    gca_release(gca_rc_new(64, &type));
}

static void free_counted(void)
{
    gca_free(unknown(gca_rc_new(64, NULL)));
}

static const size_t offset;
static const gca_layout layout = {16, 1, &offset};

static void retain_typed(void)
{
    gca_retain(gca_malloc_typed(16, &layout));
}

static void free_typed_twice(void)
{
    void *typed = unknown(gca_malloc_typed(16, &layout));
    gca_free(typed);
    gca_free(unknown(typed));
}

static const struct row {
    void (*run)(void);
    const char *function;
    const char *cause;
} rows[] = {
    {release_stack, "gca_release(0x", "): not a counted object"},
    {retain_plain, "gca_retain(0x", "): not a counted object"},
    {count_plain, "gca_rc_count(0x", "): not a counted object"},
    {release_twice, "gca_release(0x", "): already freed"},
    {retain_released, "gca_retain(0x", "): already freed"},
    {retain_dying, "gca_retain(0x", "): the object is being destroyed"},
    {release_dying, "gca_release(0x", "): released too often"},
    {free_counted, "gca_free(0x", "): a counted object, which its last gca_release frees"},
    {retain_typed, "gca_retain(0x", "): not a counted object"},
    {free_typed_twice, "gca_free(0x", "): double free"},
};

static void run_child(const struct row *row, int output)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    dup2(output, STDERR_FILENO);
    row->run();
    _exit(0);
}

static void check_row(const struct row *row)
{
    int ends[2];
    char line[512];
    int status = 0;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0)
        run_child(row, ends[1]);
    close(ends[1]);
    ssize_t length = read(ends[0], line, sizeof line - 1);
    line[length > 0 ? length : 0] = '\0';
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK(strncmp(line, "gcalloc: ", 9) == 0 && strstr(line, row->function) != NULL &&
          strstr(line, row->cause) != NULL);
    CHECK(length > 0 && strchr(line, '\n') == line + length - 1);
    if (check_failures != 0)
        fprintf(stderr, "%s ... %s: %s\n", row->function, row->cause, line);
    close(ends[0]);
}

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_row(&rows[i]);
    return check_result();
}
