/* SPDX-License-Identifier: MIT */
/* The processes leave their figures in a file of our own, one line each (record.h).
 */
#include "cli/start/stat.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/base/message.h"
#include "cli/base/scratch.h"
#include "cli/launch/child.h"
#include "cli/launch/preload.h"
#include "cli/output/file.h"
#include "cli/start/record.h"
#include "cli/start/table.h"

struct stat_command {
    struct launch launch;
    bool json;
    const char *output_path;  /* NULL: standard error */
    struct output_file file;  /* if there is one */
    char directory[PATH_MAX]; /* of the records, "" before it exists */
    char records_path[PATH_MAX];
    int records; /* the file, open for reading; -1 before */
};

/* ---- Options ---- */

static const struct arguments_option options[] = {
    {.name = "json", .help = "One JSON object in place of the table", ARGUMENTS_SET_FLAG(struct stat_command, json)},
    {.name = "output",
     .value = "FILE",
     .help = "Write to FILE in place of standard error, when the program has ended",
     ARGUMENTS_SET_TEXT(struct stat_command, output_path)},
    {0},
};

static const struct arguments_part parts[] = {{&gci_preload_arguments, offsetof(struct stat_command, launch)}, {0}};

const struct arguments gci_stat_arguments = {
    .options = options,
    .words = "[--] PROGRAM [ARGUMENT...]",
    .about = "Runs PROGRAM with gcalloc and shows what the collector did in it and in the processes that it started."
             "\vOptions after PROGRAM are the program's own. The exit status is the program's; 125: gcalloc failed, "
             "126: the program cannot be run with the library, 127: it was not found.",
    .parts = parts,
};

/* ---- Files ---- */

static void remove_records(struct stat_command *command)
{
    if (command->records >= 0)
        close(command->records);
    gci_scratch_remove(command->directory);
}

static int make_records(struct stat_command *command)
{
    int code = gci_scratch_make(command->directory, "stat", "records");
    if (code != 0)
        return code;
    if (snprintf(command->records_path, sizeof command->records_path, "%s/records", command->directory) < 0)
        return gci_message_fail(EXIT_OWN_FAILURE, command->directory, "out of memory");
    command->records = open(command->records_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (command->records < 0)
        return gci_message_fail(EXIT_OWN_FAILURE, command->records_path, "cannot be created: %s", strerror(errno));
    return gci_preload_setenv("GCALLOC_STATS_FILE", command->records_path);
}

/* ---- Figures ---- */

static int close_standard_error(void)
{
    if (fflush(stderr) == 0 && !ferror(stderr))
        return 0;
    return gci_message_fail(EXIT_OWN_FAILURE, "standard error", "cannot be written: %s", strerror(errno));
}

/* 0, or the exit code after one line. */
static int print_figures(struct stat_command *command, int status)
{
    struct record_totals totals = {0};
    struct outcome outcome = {.program = command->launch.words[0], .wait_status = status};
    int copy = dup(command->records);
    FILE *stream = copy < 0 ? NULL : fdopen(copy, "r");
    if (!stream || !gci_record_read_all(stream, &totals))
        gci_message_fail(EXIT_OWN_FAILURE, command->records_path, "cannot be read: %s", strerror(errno));
    if (stream)
        fclose(stream);
    FILE *output = command->output_path ? command->file.stream : stderr;
    (command->json ? gci_table_print_json : gci_table_print)(output, &totals, &outcome);
    return command->output_path ? gci_file_close(&command->file) : close_standard_error();
}

/* ---- All together ---- */

int gci_stat_main(int argc, char **argv)
{
    struct stat_command command = {.launch = {.command = "stat"}, .records = -1};
    struct program program;
    pid_t child = 0;
    int code, status = 0;
    if (!gci_preload_parse(&gci_stat_arguments, argc, argv, &command.launch, &command, &code))
        return code;
    code = gci_preload_prepare(&command.launch, &program);
    if (code == 0 && command.output_path)
        code = gci_file_open(&command.file, command.output_path, true, false);
    if (code == 0)
        code = make_records(&command);
    if (code == 0)
        code = gci_child_start(&program, &child);
    if (code == 0) {
        status = gci_child_wait(child);
        code = print_figures(&command, status);
    }
    remove_records(&command);
    return child > 0 && status != 0 ? gci_child_pass_on(status) : code;
}
