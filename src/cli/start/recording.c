/* SPDX-License-Identifier: MIT */
/* What is said goes to standard error: standard output is the program's. What is wrong with the file's name is found before the
 * program runs, for nobody wants to run it twice.
 */
#include "cli/start/recording.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/attach/attach.h"
#include "cli/base/arguments.h"
#include "cli/base/message.h"
#include "cli/base/scratch.h"
#include "cli/launch/child.h"
#include "cli/launch/profiled.h"
#include "cli/print/print.h"
#include "cli/print/view.h"
#include "cli/profile/profile.h"
#include "cli/show/report.h"
#include "cli/start/running.h"

#define LEVELS "sample|site|full"

struct record_command {
    struct profiled profiled;
    const char *output; /* NULL: a name of ours */
    bool overwrite;
    const char *process; /* that runs already; NULL: a program is to be run */
    bool stop;
    bool waits; /* the process was given as a word: until it is enough */
    uint64_t duration_seconds;
    char rate[32];
    char path[PATH_MAX];    /* absolute; where the profile is to be in the end, with the mark if there is one */
    char pattern[PATH_MAX]; /* what the library gets: always with the mark, as other processes may start */
    struct timespec start;  /* of the clock that files have their times from */
};

/* ---- Options ---- */

static bool take_rate(void *input, const char *word)
{
    struct record_command *command = input;
    uint64_t bytes;
    if (!gci_arguments_bytes("--rate", word, &bytes))
        return false;
    snprintf(command->rate, sizeof command->rate, "%" PRIu64, bytes);
    command->profiled.rate = command->rate;
    return true;
}

/* A number in place of a program is a process; behind "--" it is a program. */
static int take_process(void *input, char **words, bool is_quoted)
{
    struct record_command *command = input;
    if (is_quoted || command->process || !gci_view_is_process(words[0]))
        return 0;
    command->process = words[0];
    command->waits = true;
    return 1;
}

static const struct arguments_option options[] = {
    {.name = "level",
     .value = "LEVEL",
     .help =
         "What is recorded, " LEVELS ": samples, at next to no cost (the default); samples with places of the source "
         "or callers alone; each allocation",
     .choices = LEVELS,
     ARGUMENTS_SET_TEXT(struct record_command, profiled.level)},
    {.name = "rate", .value = "BYTES", .help = "One sample in so many bytes on average (K, M, G)", .take = take_rate},
    {.name = "graph",
     .help = "What the heap consists of in the end, too: 'gcalloc why' reads it",
     ARGUMENTS_SET_FLAG(struct record_command, profiled.graph)},
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "The profile; %p in it is the process. By default gcalloc.PROGRAM.%p.gcprof",
     ARGUMENTS_SET_TEXT(struct record_command, output)},
    {.name = "pid",
     .value = "PID",
     .help = "Begin with a process that runs already and has the library; it keeps its figures until it is asked",
     ARGUMENTS_SET_TEXT(struct record_command, process)},
    {.name = "stop", .help = "With --pid: end it", ARGUMENTS_SET_FLAG(struct record_command, stop)},
    {.name = "duration",
     .value = "SECONDS",
     .help = "Of a process PID: so long",
     .least = 1,
     ARGUMENTS_SET_NUMBER(struct record_command, duration_seconds)},
    {.name = "force",
     .letter = 'f',
     .help = "Overwrite the file if it is there",
     ARGUMENTS_SET_FLAG(struct record_command, overwrite)},
    {0},
};

static const struct arguments_part parts[] = {
    {&gci_preload_arguments, offsetof(struct record_command, profiled.launch)}, {0}};

const struct arguments gci_record_arguments = {
    .options = options,
    .words = "[--] PROGRAM [ARGUMENT...]\nPID\n--pid=PID",
    .about =
        "Runs PROGRAM and records where its memory comes from, in a file for the subcommands that show it."
        "\vProcesses that it starts are recorded too, in files of their own, whose names end in the process's "
        "number where FILE has no %p. The exit status is the program's; 125: gcalloc failed, 126: the program cannot "
        "be run with the library, 127: it was not found.",
    .parts = parts,
    .take_words = take_process,
};

/* ---- The file's name ---- */

static void name_after_program(char *name, size_t bytes, const char *program)
{
    const char *slash = strrchr(program, '/');
    int length = snprintf(name, bytes, "gcalloc.%.60s.", slash ? slash + 1 : program);
    for (char *at = name; *at; at++)
        *at = *at == '%' || (unsigned char)*at < ' ' ? '_' : *at; /* a mark of the program's own name is none */
    snprintf(name + length, bytes - (size_t)length, "%s.gcprof", PROFILE_PROCESS_MARK);
}

/* Absolute, for the program may change its working directory. */
static int make_pattern(struct record_command *command)
{
    char name[PATH_MAX], folder[PATH_MAX] = "";
    if (command->output && command->output[0] == '\0')
        return gci_message_fail(EXIT_OWN_FAILURE, "''", "a file's name cannot be empty");
    if (command->output)
        snprintf(name, sizeof name, "%s", command->output);
    else
        name_after_program(name, sizeof name, command->profiled.launch.words[0]);
    if (name[0] != '/' && !getcwd(folder, sizeof folder))
        return gci_message_fail(EXIT_OWN_FAILURE, name, "cannot tell the working directory: %s", strerror(errno));
    bool is_marked = strstr(name, PROFILE_PROCESS_MARK) != NULL;
    int length = snprintf(command->path, sizeof command->path, "%s%s%s", folder, folder[0] ? "/" : "", name);
    if (length >= 0 && (size_t)length + 3 * sizeof(pid_t) < LIBRARY_PATH_BYTES)
        length = snprintf(command->pattern, sizeof command->pattern, "%.*s%s%s", LIBRARY_PATH_BYTES, command->path,
                          is_marked ? "" : ".", is_marked ? "" : PROFILE_PROCESS_MARK);
    if (length < 0 || (size_t)length + 3 * sizeof(pid_t) >= LIBRARY_PATH_BYTES)
        return gci_message_fail(EXIT_OWN_FAILURE, name, "its whole path is too long");
    command->profiled.pattern = command->pattern;
    return 0;
}

static int check_folder(const struct record_command *command)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", command->path);
    *strrchr(folder, '/') = '\0';
    if (access(folder[0] ? folder : "/", W_OK | X_OK) == 0)
        return 0;
    return gci_message_fail(EXIT_OWN_FAILURE, command->path, "cannot be written: %s", strerror(errno));
}

static int check_file(const struct record_command *command)
{
    struct stat status;
    if (lstat(command->path, &status) != 0)
        return 0;
    if (!command->overwrite)
        return gci_message_fail(EXIT_OWN_FAILURE, command->path, "is there already; --force overwrites it");
    return S_ISREG(status.st_mode) ? 0 : gci_message_fail(EXIT_OWN_FAILURE, command->path, "is no plain file");
}

/* The profile of the program under the name that it is to have; for free(). NULL after one line. */
static char *final_path(const struct record_command *command)
{
    char *path = gci_profiled_path(&command->profiled);
    bool is_there = access(path, F_OK) == 0;
    if (!is_there)
        gci_message_fail(0, path, "the program left no profile");
    if (is_there && strcmp(command->path, command->pattern) == 0)
        return path;
    if (is_there && rename(path, command->path) != 0) {
        gci_message_fail(0, path, "cannot be renamed to %s: %s", command->path, strerror(errno));
        return path;
    }
    free(path);
    return is_there ? strdup(command->path) : NULL;
}

/* ---- What is said at the end ---- */

/* Profiles of what the started process was, one program after the other: FIRST, FIRST.2 ... */
static bool is_of_process(const char *path, const char *first)
{
    size_t length = strlen(first);
    const char *rest = path + length;
    return strncmp(path, first, length) == 0 &&
           (rest[0] == '\0' || (rest[0] == '.' && rest[1 + strspn(rest + 1, "0123456789")] == '\0'));
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static bool is_other(const struct record_command *command, const char *first, const char *path)
{
    struct stat status;
    return !is_of_process(path, first) && strcmp(path, command->path) != 0 && stat(path, &status) == 0 &&
           !is_before(&status.st_mtim, &command->start);
}

/* Profiles of processes that the program started, by their names with that ending. */
static size_t count_with(const struct record_command *command, const char *first, const char *ending)
{
    char pattern[PATH_MAX];
    glob_t found = {0};
    size_t count = 0;
    const char *mark = strstr(command->pattern, PROFILE_PROCESS_MARK);
    snprintf(pattern, sizeof pattern, "%.*s*%s%s", (int)(mark - command->pattern), command->pattern,
             mark + strlen(PROFILE_PROCESS_MARK), ending);
    if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++)
        count += is_other(command, first, found.gl_pathv[i]) ? 1 : 0;
    globfree(&found);
    return count;
}

static size_t count_others(const struct record_command *command, const char *first)
{
    const char *mark = strstr(command->pattern, PROFILE_PROCESS_MARK);
    bool mark_is_last =
        mark[strlen(PROFILE_PROCESS_MARK)] == '\0'; /* then "*" stands for the numbers of programs too */
    return count_with(command, first, "") + (mark_is_last ? 0 : count_with(command, first, ".[1-9]*"));
}

/* As short as it can be typed from here. */
static const char *shown_path(const char *path)
{
    char folder[PATH_MAX];
    size_t length = getcwd(folder, sizeof folder) ? strlen(folder) : 0;
    return length > 1 && strncmp(path, folder, length) == 0 && path[length] == '/' ? path + length + 1 : path;
}

/* False after one line: the profile cannot be read. */
static bool tell_of_profile(const char *path)
{
    fflush(stdout);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    struct profile *profile = gci_profile_read(path, true);
    if (!profile)
        return false;
    gci_report_summary(profile);
    printf("profile: %s\n", shown_path(path));
    gci_profile_forget(profile);
    return true;
}

static void tell_of_more(const struct record_command *command, const char *first, unsigned earlier)
{
    size_t others = count_others(command, first);
    if (earlier > 0)
        printf("and %u of what the process was before exec, beside it, from %s on\n", earlier, shown_path(first));
    if (others > 0)
        printf("and %zu more of processes that it started, beside it\n", others);
}

static int tell(const struct record_command *command)
{
    unsigned earlier;
    char *first = gci_profiled_first_path(&command->profiled, &earlier);
    char *path = final_path(command);
    bool is_told = path && tell_of_profile(path);
    if (is_told) {
        tell_of_more(command, first, earlier);
        printf("next: gcalloc report %s\n", shown_path(path));
    }
    free(first);
    free(path);
    return gci_view_finish(is_told ? 0 : EXIT_OWN_FAILURE);
}

/* ---- Processes that run already ---- */

static int level_number(const char *level)
{
    return strcmp(level, "full") == 0 ? PROFILE_LEVEL_FULL
                                      : (strcmp(level, "site") == 0 ? PROFILE_LEVEL_SITE : PROFILE_LEVEL_SAMPLE);
}

#define NAME_BYTES 64 /* the kernel keeps 15 characters */

static void name_of_process(char name[NAME_BYTES], const char *process)
{
    char path[NAME_BYTES];
    snprintf(path, sizeof path, "/proc/%.20s/comm", process);
    FILE *file = fopen(path, "re");
    if (!file || !fgets(name, NAME_BYTES, file) || name[0] == '\n')
        snprintf(name, NAME_BYTES, "process");
    if (file)
        fclose(file);
    name[strcspn(name, "\n")] = '\0';
}

static int record_process(struct record_command *command, const char *start)
{
    struct running running = {.process = (pid_t)strtol(command->process, NULL, 10),
                              .start = start,
                              .graph = command->profiled.graph,
                              .duration_seconds = command->duration_seconds};
    static char name[NAME_BYTES], *words[] = {name, NULL};
    name_of_process(name, command->process);
    command->profiled.launch.words = words; /* for the file's name */
    int code = make_pattern(command);
    if (code != 0)
        return code;
    if (strstr(command->path, PROFILE_PROCESS_MARK)) {
        command->profiled.child = running.process;
        char *path = gci_profiled_path(&command->profiled);
        snprintf(command->path, sizeof command->path, "%s", path);
        free(path);
    }
    snprintf(running.path, sizeof running.path, "%s", command->path);
    code = check_folder(command);
    if (code == 0)
        code = check_file(command);
    if (code == 0)
        code = gci_running_record(&running);
    if (code != 0)
        return code;
    bool is_told = tell_of_profile(running.path);
    if (is_told)
        printf("next: gcalloc report %s\n", shown_path(running.path));
    return gci_view_finish(is_told ? 0 : EXIT_OWN_FAILURE);
}

static int switch_process(struct record_command *command)
{
    char what[64] = "stop";
    if (command->profiled.launch.words)
        return gci_message_fail(EXIT_OWN_FAILURE, "--pid", "a process or a program, not both");
    if (!gci_view_is_process(command->process))
        return gci_message_fail(EXIT_OWN_FAILURE, "--pid", "%.40s is no process", command->process);
    if (!command->stop)
        snprintf(what, sizeof what, "start %d %s", level_number(command->profiled.level),
                 command->profiled.rate ? command->profiled.rate : "0");
    if (command->profiled.graph && !command->waits)
        return gci_message_fail(EXIT_OWN_FAILURE, "--graph", "--pid leaves no file; 'gcalloc why %s' shows the heap",
                                command->process);
    if (command->waits && !command->stop)
        return record_process(command, what);
    int code = gci_attach_request((pid_t)strtol(command->process, NULL, 10), what, NULL);
    if (code == 0 && !command->stop)
        fprintf(stderr, "next: gcalloc report %s, and gcalloc record --pid=%s --stop\n", command->process,
                command->process);
    return code;
}

int gci_record_main(int argc, char **argv)
{
    struct record_command command = {.profiled = {.launch = {.command = "record"}, .level = "sample"}};
    struct profiled *profiled = &command.profiled;
    int code;
    if (!gci_arguments_parse(&gci_record_arguments, argc, argv, profiled->launch.command, &command, &code))
        return code;
    if (command.process)
        return switch_process(&command);
    if (command.duration_seconds > 0)
        return gci_message_fail(EXIT_OWN_FAILURE, "--duration", "of which process? a program is recorded to its end");
    if (command.stop)
        return gci_message_fail(EXIT_OWN_FAILURE, "--stop", "of which process? --pid says it");
    if (!gci_preload_has_program(&profiled->launch, &code))
        return code;
    clock_gettime(CLOCK_REALTIME_COARSE, &command.start);
    code = make_pattern(&command);
    if (code == 0)
        code = check_folder(&command);
    if (code == 0)
        code = check_file(&command);
    if (code == 0)
        code = gci_profiled_run(profiled);
    if (code == 0)
        code = tell(&command);
    return profiled->child > 0 && profiled->status != 0 ? gci_child_pass_on(profiled->status) : code;
}
