/* SPDX-License-Identifier: MIT */
#include "cli/launch/preload.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/base/arguments.h"
#include "cli/base/message.h"

/* Options have long names alone; argp takes keys outside the characters for that. */
enum option_key { KEY_MODE = 256, KEY_VERBOSE };

/* From the directory of the command to that of the library, as the build installs them: /usr/bin and
 * /usr/lib/x86_64-linux-gnu give "../lib/x86_64-linux-gnu". Relative, so that an installed tree may be moved. */
#ifndef GCI_CLI_LIBRARY_DIRECTORY
#define GCI_CLI_LIBRARY_DIRECTORY "../lib"
#endif

/* The name by which the loader knows the library, as linked programs have it. The one without a number is for the linker:
 * distributions install it for developers alone. */
#ifndef GCI_CLI_LIBRARY_NAME
#define GCI_CLI_LIBRARY_NAME "libgcalloc.so.0"
#endif

/* ---- Options ---- */

static const struct choice_option {
    const char *name;
    const char *choices;
} choice_options[] = {
#define OPTION_CHOICE(name, default_value, when, choices, help) {#name, choices},
#define OPTION_FLAG(name, default_value, when, help)
#define OPTION_BYTES(name, default_value, low, high, when, help)
#define OPTION_NUMBER(name, default_value, low, high, when, help)
#define OPTION_TEXT(name, when, help)
#include "base/options.def"
#undef OPTION_CHOICE
#undef OPTION_FLAG
#undef OPTION_BYTES
#undef OPTION_NUMBER
#undef OPTION_TEXT
    {NULL, ""},
};

/* The words that option `name` takes, separated by '|'. */
static const char *choices_of(const char *name)
{
    const struct choice_option *option = choice_options;
    while (option->name && strcmp(option->name, name) != 0)
        option++;
    return option->choices;
}

static error_t set_mode(struct launch *launch, const char *word)
{
    launch->mode = word;
    return gci_arguments_choice("--mode", choices_of("mode"), word) >= 0 ? 0 : EINVAL;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct launch *launch = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->err_stream = NULL; /* getopt has said what is wrong; argp would add a second line and exit */
        return 0;
    case KEY_MODE:
        return set_mode(launch, argument);
    case KEY_VERBOSE:
        launch->verbose = true;
        return 0;
    case 'h':
        launch->help = true;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_ARG: /* the program: the rest of the line is its own, options and all */
        launch->words = state->argv + state->next - 1;
        state->next = state->argc;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static char *filter_help(int key, const char *text, void *input)
{
    char *filled = NULL;
    (void)input;
    if (key != KEY_MODE)
        return (char *)(uintptr_t)text;
    return asprintf(&filled, "How the heap works: %s", choices_of("mode")) < 0 ? NULL : filled;
}

static const struct argp_option options[] = {
    {.name = "mode", .key = KEY_MODE, .arg = "MODE", .doc = "How the heap works"},
    {.name = "verbose", .key = KEY_VERBOSE, .doc = "One line on standard error for each collection"},
    {.name = "help", .key = 'h', .doc = "Show this help", .group = -1},
    {0},
};

const struct argp gci_preload_argp = {.options = options, .parser = parse_option, .help_filter = filter_help};

bool gci_preload_parse(const struct argp *argp, int argc, char **argv, struct launch *launch, void *input, int *code)
{
    if (!gci_arguments_parse(argp, ARGP_IN_ORDER, argc, argv, launch->command, input, &launch->help, code))
        return false;
    if (launch->words)
        return true;
    *code = gci_message_fail(EXIT_OWN_FAILURE, launch->command, "no program given; try 'gcalloc %s --help'",
                             launch->command);
    return false;
}

/* ---- Library ---- */

/* Directory of the command's own file, symbolic links resolved. */
static bool own_directory(char directory[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", directory, PATH_MAX - 1);
    if (length <= 0)
        return false;
    directory[length] = '\0';
    char *slash = strrchr(directory, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

/* The library in DIRECTORY/RELATIVE, if it is there. The directory is resolved and the file's name is not: a program
 * that is linked with the library names it in the same way, and the loader must see one library, not two. */
static char *library_in(const char *directory, const char *relative)
{
    char *folder = NULL, *resolved = NULL, *library = NULL;
    struct stat status;
    if (asprintf(&folder, "%s/%s", directory, relative) >= 0)
        resolved = realpath(folder, NULL);
    if (resolved && asprintf(&library, "%s/" GCI_CLI_LIBRARY_NAME, resolved) < 0)
        library = NULL;
    if (library && (stat(library, &status) != 0 || !S_ISREG(status.st_mode))) {
        free(library);
        library = NULL;
    }
    free(folder);
    free(resolved);
    return library;
}

/* LD_PRELOAD is a list separated by spaces and colons, and the loader expands '$': there is no way to quote them. */
static int check_library_path(const char *library)
{
    const char *bad = strpbrk(library, " :$");
    if (!bad)
        return 0;
    return gci_message_fail(EXIT_OWN_FAILURE, library, "LD_PRELOAD cannot hold a path with %s",
                            *bad == ' ' ? "a space" : (*bad == ':' ? "a colon" : "a dollar sign"));
}

static int find_library(char **library)
{
    char directory[PATH_MAX];
    if (!own_directory(directory))
        return gci_message_fail(EXIT_OWN_FAILURE, GCI_CLI_LIBRARY_NAME,
                                "cannot tell where the gcalloc command is: /proc/self/exe: %s", strerror(errno));
    *library = library_in(directory, "../lib");
    if (!*library)
        *library = library_in(directory, GCI_CLI_LIBRARY_DIRECTORY);
    if (*library)
        return check_library_path(*library);
    if (strcmp(GCI_CLI_LIBRARY_DIRECTORY, "../lib") == 0)
        return gci_message_fail(EXIT_OWN_FAILURE, GCI_CLI_LIBRARY_NAME, "not found in %s/../lib", directory);
    return gci_message_fail(EXIT_OWN_FAILURE, GCI_CLI_LIBRARY_NAME, "not found in %s/../lib nor in %s/%s", directory,
                            directory, GCI_CLI_LIBRARY_DIRECTORY);
}

/* ---- Environment ---- */

int gci_preload_setenv(const char *name, const char *value)
{
    if (setenv(name, value, 1) == 0)
        return 0;
    return gci_message_fail(EXIT_OWN_FAILURE, name, "cannot set it: %s", strerror(errno));
}

static int prepend_library(const char *library)
{
    const char *present = getenv("LD_PRELOAD");
    char *list = NULL;
    if (!present || present[0] == '\0')
        return gci_preload_setenv("LD_PRELOAD", library);
    if (asprintf(&list, "%s:%s", library, present) < 0)
        return gci_message_fail(EXIT_OWN_FAILURE, "LD_PRELOAD", "out of memory");
    int code = gci_preload_setenv("LD_PRELOAD", list);
    free(list);
    return code;
}

int gci_preload_prepare(const struct launch *launch, struct program *program)
{
    char *library = NULL;
    int code = find_library(&library);
    if (!library)
        return code;
    if (code == 0)
        code = gci_program_find(program, launch->words, library);
    if (code == 0 && launch->mode)
        code = gci_preload_setenv("GCALLOC_MODE", launch->mode);
    if (code == 0 && launch->verbose)
        code = gci_preload_setenv("GCALLOC_VERBOSE", "1");
    if (code == 0)
        code = prepend_library(library);
    free(library);
    return code;
}
