/* SPDX-License-Identifier: MIT */
#include "cli/launch/preload.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/base/arguments.h"
#include "cli/base/message.h"

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

/* The words that the library's option has, and the help with them in it; of its other options neither is used here. */
#define OPTION_CHOICE(name, default_value, when, choices, help)                                                        \
    static const char name##_choices[] __attribute__((unused)) = choices;                                              \
    static const char name##_help[] __attribute__((unused)) = "How the heap works: " choices;
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

static int take_program(void *input, char **words, bool is_quoted)
{
    struct launch *launch = input;
    (void)is_quoted;
    launch->words = words;
    return ARGUMENTS_REST;
}

static const struct arguments_option options[] = {
    {.name = "mode",
     .value = "MODE",
     .help = mode_help,
     .choices = mode_choices,
     ARGUMENTS_SET_TEXT(struct launch, mode)},
    {.name = "verbose",
     .help = "One line on standard error for each collection",
     ARGUMENTS_SET_FLAG(struct launch, verbose)},
    {0},
};

const struct arguments gci_preload_arguments = {.options = options, .take_words = take_program, .has_program = true};

bool gci_preload_parse(const struct arguments *arguments, int argc, char **argv, struct launch *launch, void *input,
                       int *code)
{
    return gci_arguments_parse(arguments, argc, argv, launch->command, input, code) &&
           gci_preload_has_program(launch, code);
}

bool gci_preload_has_program(const struct launch *launch, int *code)
{
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
