/* SPDX-License-Identifier: MIT */
/* The processes leave their figures in a file of our own, one line each (record.h). It lies in a directory of its own,
 * for a process that outlives us would otherwise bring the file back to life in the temporary directory.
 *
 * Signals, while the program runs: the terminal sends SIGINT and SIGQUIT to both of us, and it is the program that
 * decides what they mean, so they are ignored here. SIGTERM and SIGHUP come to this process alone when somebody means
 * the program: they are handed on. All are blocked from before fork until that is set up, so none is lost.
 */
#include "cli/stat.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/message.h"
#include "cli/preload.h"
#include "cli/record.h"
#include "cli/table.h"

/* The library takes text options up to this length, with the terminator (OPTION_TEXT_BYTES in base/options.h). */
#define STATS_FILE_BYTES 256

enum option_key { KEY_JSON = 512, KEY_OUTPUT }; /* long names only, and none of preload.c */

struct stat_command {
    struct launch launch;
    bool json;
    const char *output_path; /* NULL: standard error */
    FILE *output;
    char directory[PATH_MAX]; /* of the records, "" before it exists */
    char file[PATH_MAX];
    int records; /* the file, open for reading; -1 before */
};

/* ---- Options ---- */

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct stat_command *command = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &command->launch;
        return 0;
    case KEY_JSON:
        command->json = true;
        return 0;
    case KEY_OUTPUT:
        command->output_path = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {.name = "json", .key = KEY_JSON, .doc = "One JSON object in place of the table"},
    {.name = "output", .key = KEY_OUTPUT, .arg = "FILE", .doc = "Write to FILE in place of standard error"},
    {0},
};

static const struct argp_child children[] = {{.argp = &gci_preload_argp}, {0}};

const struct argp gci_stat_argp = {
    .options = options,
    .parser = parse_option,
    .args_doc = "[--] PROGRAM [ARGUMENT...]",
    .doc = "Runs PROGRAM with gcalloc and shows what the collector did in it and in the processes that it started."
           "\vOptions after PROGRAM are the program's own. The exit status is the program's; 125: gcalloc failed, "
           "126: the program cannot be run with the library, 127: it was not found.",
    .children = children,
};

/* ---- Files ---- */

static int open_output(struct stat_command *command)
{
    command->output = command->output_path ? fopen(command->output_path, "we") : stderr;
    if (command->output)
        return 0;
    return gci_message_fail(EXIT_OWN_FAILURE, command->output_path, "cannot be written: %s", strerror(errno));
}

static void remove_records(struct stat_command *command)
{
    if (command->records >= 0) {
        close(command->records);
        unlink(command->file);
    }
    if (command->directory[0] != '\0')
        rmdir(command->directory);
}

/* Absolute, for the program may change its working directory before it exits. */
static int make_directory(struct stat_command *command)
{
    const char *given = getenv("TMPDIR");
    if (!given || given[0] == '\0')
        given = "/tmp";
    char *temporary = realpath(given, NULL);
    if (!temporary)
        return gci_message_fail(EXIT_OWN_FAILURE, given, "no temporary directory: %s", strerror(errno));
    int length = snprintf(command->directory, sizeof command->directory, "%s/gcalloc-stat.XXXXXX", temporary);
    free(temporary);
    if (length < 0 || (size_t)length + sizeof "/records" > STATS_FILE_BYTES) {
        command->directory[0] = '\0';
        return gci_message_fail(EXIT_OWN_FAILURE, given, "the temporary directory's name is too long");
    }
    if (mkdtemp(command->directory))
        return 0;
    command->directory[0] = '\0';
    return gci_message_fail(EXIT_OWN_FAILURE, given, "cannot create a temporary directory: %s", strerror(errno));
}

static int make_records(struct stat_command *command)
{
    int code = make_directory(command);
    if (code != 0)
        return code;
    if (snprintf(command->file, sizeof command->file, "%s/records", command->directory) < 0)
        return gci_message_fail(EXIT_OWN_FAILURE, command->directory, "out of memory");
    command->records = open(command->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (command->records < 0)
        return gci_message_fail(EXIT_OWN_FAILURE, command->file, "cannot be created: %s", strerror(errno));
    return gci_preload_setenv("GCALLOC_STATS_FILE", command->file);
}

/* ---- The child ---- */

static volatile sig_atomic_t child_id; /* 0: none, or already collected */

static void hand_on(int signal_number)
{
    int saved = errno;
    if (child_id != 0)
        kill((pid_t)child_id, signal_number);
    errno = saved;
}

static const int ignored_signals[] = {SIGINT, SIGQUIT};
static const int forwarded_signals[] = {SIGTERM, SIGHUP};

static void block_signals(sigset_t *before)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    for (size_t i = 0; i < 2; i++) {
        sigaddset(&blocked, ignored_signals[i]);
        sigaddset(&blocked, forwarded_signals[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, before);
}

/* A signal that was ignored when we were started (nohup) stays so, for us and for the program. */
static void set_dispositions(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, present;
    struct sigaction forward = {.sa_handler = hand_on, .sa_flags = SA_RESTART};
    for (size_t i = 0; i < 2; i++) {
        sigaction(ignored_signals[i], &ignore, NULL);
        if (sigaction(forwarded_signals[i], NULL, &present) == 0 && present.sa_handler != SIG_IGN)
            sigaction(forwarded_signals[i], &forward, NULL);
    }
}

static _Noreturn void become_program(const struct program *program, int report)
{
    execv(program->path, program->words);
    int error = errno;
    ssize_t ignored = write(report, &error, sizeof error);
    (void)ignored; /* nobody reads: we have no parent any more */
    _exit(EXIT_CANNOT_RUN);
}

/* fork, with the signals as described above; the child goes on in become_program. The id, or -1 with errno. */
static pid_t fork_program(const struct program *program, int report)
{
    struct sigaction usual = {.sa_handler = SIG_DFL}, child_signal;
    sigset_t mask;
    sigaction(SIGCHLD, &usual, &child_signal); /* where it is ignored, the child's status would be lost */
    block_signals(&mask);
    pid_t child = fork();
    if (child == 0) {
        sigaction(SIGCHLD, &child_signal, NULL);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        become_program(program, report);
    }
    int saved = errno;
    child_id = child > 0 ? child : 0;
    set_dispositions();
    sigprocmask(SIG_SETMASK, &mask, NULL);
    errno = saved;
    return child;
}

/* What the child reports before it ends: errno of exec. 0 where exec went well, which closes the pipe. */
static int read_report(int report)
{
    int error = 0;
    ssize_t bytes;
    do
        bytes = read(report, &error, sizeof error);
    while (bytes < 0 && errno == EINTR);
    return bytes == (ssize_t)sizeof error ? error : 0;
}

/* Starts the program. 0, or the exit code after one line. */
static int start_child(const struct program *program, pid_t *child)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return gci_message_fail(EXIT_OWN_FAILURE, program->path, "cannot start it: %s", strerror(errno));
    *child = fork_program(program, report[1]);
    int error = *child < 0 ? errno : 0;
    close(report[1]);
    if (*child > 0)
        error = read_report(report[0]);
    close(report[0]);
    if (*child < 0)
        return gci_message_fail(EXIT_OWN_FAILURE, program->path, "cannot start it: %s", strerror(error));
    if (error == 0)
        return 0;
    child_id = 0;
    waitpid(*child, NULL, 0);
    return gci_message_fail(EXIT_CANNOT_RUN, program->path, "cannot be executed: %s", strerror(error));
}

/* The child stays a zombie until no signal can be handed on to its id any more. */
static int wait_for_child(pid_t child)
{
    siginfo_t ended;
    int status = 0;
    while (waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT) != 0 && errno == EINTR)
        continue;
    child_id = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

/* Ends as the program ended. A core file would be one of ours, which nobody wants. */
static int pass_on(int status)
{
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status);
    int number = WTERMSIG(status);
    struct rlimit none = {0, 0};
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t only;
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L); /* a core handler behind a pipe does not look at the limit */
    sigaction(number, &usual, NULL);
    sigemptyset(&only);
    sigaddset(&only, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    return 128 + number;
}

/* ---- All together ---- */

/* 0, or the exit code after one line. */
static int print_figures(struct stat_command *command, int status)
{
    struct record_totals totals = {0};
    struct outcome outcome = {.program = command->launch.words[0], .wait_status = status};
    int copy = dup(command->records);
    FILE *stream = copy < 0 ? NULL : fdopen(copy, "r");
    if (!stream || !gci_record_read_all(stream, &totals))
        gci_message_fail(EXIT_OWN_FAILURE, command->file, "cannot be read: %s", strerror(errno));
    if (stream)
        fclose(stream);
    (command->json ? gci_table_print_json : gci_table_print)(command->output, &totals, &outcome);
    if (fflush(command->output) == 0 && !ferror(command->output))
        return 0;
    return gci_message_fail(EXIT_OWN_FAILURE, command->output_path ? command->output_path : "standard error",
                            "cannot be written: %s", strerror(errno));
}

int gci_stat_main(int argc, char **argv)
{
    struct stat_command command = {.launch = {.command = "stat"}, .records = -1};
    struct program program;
    pid_t child = 0;
    int code, status = 0;
    if (!gci_preload_parse(&gci_stat_argp, argc, argv, &command.launch, &command, &code))
        return code;
    code = gci_preload_prepare(&command.launch, &program);
    if (code == 0)
        code = open_output(&command);
    if (code == 0)
        code = make_records(&command);
    if (code == 0)
        code = start_child(&program, &child);
    if (code == 0) {
        status = wait_for_child(child);
        code = print_figures(&command, status);
    }
    remove_records(&command);
    return child > 0 && status != 0 ? pass_on(status) : code;
}
