/* SPDX-License-Identifier: MIT */
/* The gcalloc command: a table of subcommands. A new one is one row here and one file in show/ or start/. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <gcalloc.h> /* for the version alone: the command never links the library */

#include "cli/base/arguments.h"
#include "cli/base/message.h"
#include "cli/export/export.h"
#include "cli/flamegraph/flamegraph.h"
#include "cli/show/annotate.h"
#include "cli/show/diff.h"
#include "cli/show/leaks.h"
#include "cli/show/plot.h"
#include "cli/show/report.h"
#include "cli/show/top.h"
#include "cli/show/why.h"
#include "cli/start/recording.h"
#include "cli/start/run.h"
#include "cli/start/stat.h"

#define TEXT_OF_(number) #number
#define TEXT_OF(number) TEXT_OF_(number)
#define VERSION TEXT_OF(GCA_VERSION_MAJOR) "." TEXT_OF(GCA_VERSION_MINOR) "." TEXT_OF(GCA_VERSION_PATCH)

static int help_main(int argc, char **argv);

static const struct command {
    const char *name;
    const char *summary;
    const struct arguments *arguments; /* NULL: nothing to say beyond the summary */
    int (*main)(int argc, char **argv);
} commands[] = {
    {"run", "run a program with gcalloc in place of its malloc", &gci_run_arguments, gci_run_main},
    {"stat", "run a program and show what the collector did", &gci_stat_arguments, gci_stat_main},
    {"record", "run a program and record where its memory comes from", &gci_record_arguments, gci_record_main},
    {"report", "show what lives, peaks, allocates and leaks in a profile", &gci_report_arguments, gci_report_main},
    {"leaks", "show what leaked, by the stack that allocated it", &gci_leaks_arguments, gci_leaks_main},
    {"diff", "show what changed from one profile to another", &gci_diff_arguments, gci_diff_main},
    {"why", "show what keeps memory alive", &gci_why_arguments, gci_why_main},
    {"annotate", "show a source file with what its lines allocate", &gci_annotate_arguments, gci_annotate_main},
    {"top", "show a profile while it is being written", &gci_top_arguments, gci_top_main},
    {"plot", "plot memory over time", &gci_plot_arguments, gci_plot_main},
    {"export", "write a profile in a form that other programs read", &gci_export_arguments, gci_export_main},
    {"flamegraph", "draw the stacks of a profile as an SVG", &gci_flamegraph_arguments, gci_flamegraph_main},
    {"help", "help on a subcommand: gcalloc help run", NULL, help_main},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

struct request {
    bool help, version;
    int count; /* words from the subcommand's name on */
    char **words;
};

static int finish_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return gci_message_fail(EXIT_OWN_FAILURE, "standard output", "%s", strerror(errno));
}

static int print_overview(void)
{
    puts("Usage: gcalloc SUBCOMMAND [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
         "  or:  gcalloc SUBCOMMAND [OPTION...] FILE|PID...\n"
         "Runs programs, as they are, with a garbage-collecting malloc, and shows where\n"
         "their memory comes from, what leaks, and why it is alive.\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-12s%s\n", commands[i].name, commands[i].summary);
    puts("\n  --help      show this help\n"
         "  --version   show the version\n\n"
         "Options of a subcommand: gcalloc help SUBCOMMAND. The whole story: man gcalloc.");
    return finish_output();
}

static int print_version(void)
{
    puts("gcalloc " VERSION);
    return finish_output();
}

/* NULL after one line where there is none of this name. */
static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    gci_message_fail(EXIT_OWN_FAILURE, name,
                     "no such subcommand; 'gcalloc --help' lists them, 'gcalloc run' runs a program");
    return NULL;
}

static int help_main(int argc, char **argv)
{
    if (argc == 1)
        return print_overview();
    if (argc > 2)
        return gci_message_fail(EXIT_OWN_FAILURE, "help", "one subcommand at a time");
    const struct command *command = find_command(argv[1]);
    if (!command)
        return EXIT_OWN_FAILURE;
    return command->arguments ? gci_arguments_help(command->arguments, command->name) : print_overview();
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct request *request = state->input;
    (void)argument;
    switch (key) {
    case ARGP_KEY_INIT:
        state->err_stream = NULL; /* getopt has said what is wrong; argp would add a second line and exit */
        return 0;
    case 'h':
        request->help = true;
        return 0;
    case 'V':
        request->version = true;
        return 0;
    case ARGP_KEY_ARG:
        request->words = state->argv + state->next - 1;
        request->count = state->argc - state->next + 1;
        state->next = state->argc;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {{.name = "help", .key = 'h'}, {.name = "version", .key = 'V'}, {0}};
static const struct argp own_argp = {.options = options, .parser = parse_option};

int main(int argc, char **argv)
{
    static char own_name[] = "gcalloc"; /* in front of getopt's messages */
    struct request request = {0};
    if (argc > 0)
        argv[0] = own_name;
    if (argp_parse(&own_argp, argc, argv, ARGP_IN_ORDER | ARGP_NO_HELP, NULL, &request) != 0)
        return EXIT_OWN_FAILURE;
    if (request.help)
        return print_overview();
    if (request.version)
        return print_version();
    if (!request.words)
        return gci_message_fail_plain(EXIT_OWN_FAILURE, "no subcommand; try 'gcalloc --help'");
    const struct command *command = find_command(request.words[0]);
    return command ? command->main(request.count, request.words) : EXIT_OWN_FAILURE;
}
