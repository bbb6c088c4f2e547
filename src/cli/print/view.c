/* SPDX-License-Identifier: MIT */
#include "cli/print/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/attach/attach.h"
#include "cli/base/arguments.h"
#include "cli/base/head.h"
#include "cli/base/message.h"
#include "cli/base/scratch.h"
#include "cli/symbols/symbols.h"

/* ---- Options ---- */

static int take_word(void *input, char **words, bool is_quoted)
{
    struct view *view = input;
    (void)is_quoted;
    if (view->count >= view->most)
        return gci_message_fail(-1, view->command, "%s: one word too many; try 'gcalloc %s --help'", words[0],
                                view->command);
    view->words[view->count++] = words[0];
    return 1;
}

/* Absolute: libdw takes other names of folders for such beside the program. It stays. */
static bool take_debug_path(void *input, const char *folder)
{
    const char *whole = realpath(folder, NULL);
    (void)input;
    if (!whole)
        return gci_message_fail(false, folder[0] ? folder : "''", "cannot be looked in: %s", strerror(errno));
    gci_symbols_look_in(whole);
    return true;
}

static const struct arguments_option options[] = {
    {.name = "json", .help = "One JSON object in place of text", ARGUMENTS_SET_FLAG(struct view, json)},
    {.name = "no-symbols",
     .help = "Look up no names: modules and offsets alone",
     ARGUMENTS_SET_FLAG(struct view, no_symbols)},
    {.name = "debug-path", .value = "DIR", .help = "Look for debug files there too", .take = take_debug_path},
    {0},
};

const struct arguments gci_view_arguments = {.options = options, .take_words = take_word};

bool gci_view_parse(const struct arguments *arguments, int argc, char **argv, struct view *view, void *input, int *code)
{
    if (!gci_arguments_parse(arguments, argc, argv, view->command, input, code))
        return false;
    if (view->count >= view->least)
        return true;
    *code = gci_message_fail(EXIT_OWN_FAILURE, view->command, "%s needed; try 'gcalloc %s --help'", view->what,
                             view->command);
    return false;
}

/* ---- Profiles of processes ---- */

static bool begins_profile(int folder, const char *name)
{
    struct profile_header header;
    return gci_head_read(folder, name, &header);
}

/* The profile that the process is writing: among its open files. True: path is that of /proc. */
static bool find_open_profile(const char *pid, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "/proc/%.20s/fd", pid);
    DIR *folder = opendir(path);
    bool found = false;
    struct dirent *entry;
    while (folder && !found && (entry = readdir(folder))) {
        found = entry->d_name[0] != '.' && begins_profile(dirfd(folder), entry->d_name);
        if (found)
            snprintf(path, PATH_MAX, "/proc/%.20s/fd/%.20s", pid, entry->d_name);
    }
    if (folder)
        closedir(folder);
    return found;
}

/* The value of a variable in the environment that a process was started with; for free(), or NULL. */
static char *environment_of(const char *pid, const char *name)
{
    char path[64], *text = NULL, *value = NULL;
    size_t room = 0, length = strlen(name);
    snprintf(path, sizeof path, "/proc/%.20s/environ", pid);
    FILE *file = fopen(path, "re");
    while (file && !value && getdelim(&text, &room, '\0', file) > 0) {
        if (strncmp(text, name, length) == 0 && text[length] == '=')
            value = strdup(text + length + 1);
    }
    if (file)
        fclose(file);
    free(text);
    return value;
}

/* What the process was before exec has left profiles, the first without a number: the last one is still being written. */
static bool find_last_profile(char path[PATH_MAX])
{
    char next[PATH_MAX];
    struct stat status, later;
    size_t length = strlen(path);
    for (unsigned number = 2; stat(path, &status) == 0; number++) {
        snprintf(next, sizeof next, "%.*s.%u", (int)length, path, number);
        if (!begins_profile(AT_FDCWD, next) || stat(next, &later) != 0 || later.st_mtim.tv_sec < status.st_mtim.tv_sec)
            return true;
        snprintf(path, PATH_MAX, "%s", next);
    }
    return false;
}

/* The profile that the process was told to write, as `gcalloc record` tells it: absolute, with the process's number in it. */
static bool find_named_profile(const char *pid, char path[PATH_MAX])
{
    char *pattern = environment_of(pid, "GCALLOC_PROFILE_FILE");
    const char *mark = pattern ? strstr(pattern, "%p") : NULL;
    if (mark)
        snprintf(path, PATH_MAX, "%.*s%s%s", (int)(mark - pattern), pattern, pid, mark + 2);
    else
        snprintf(path, PATH_MAX, "%s", pattern ? pattern : "");
    free(pattern);
    return path[0] == '/' && begins_profile(AT_FDCWD, path) && find_last_profile(path);
}

bool gci_view_is_process(const char *word)
{
    return word[0] != '\0' && strspn(word, "0123456789") == strlen(word) && strlen(word) < 10 &&
           access(word, F_OK) != 0;
}

bool gci_view_is_running(const char *word)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%.20s", word);
    return gci_view_is_process(word) && access(path, F_OK) == 0;
}

/* What a process says of itself now. */
static struct profile *ask_process(const struct view *view, const char *word)
{
    static const char name[] = "asked.gcprof";
    char directory[PATH_MAX], path[PATH_MAX + sizeof name];
    struct profile *profile = NULL;
    if (gci_scratch_make(directory, "ask", name) != 0)
        return NULL;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (gci_attach_request((pid_t)strtol(word, NULL, 10), view->ask ? view->ask : VIEW_FIGURES, path) == 0)
        profile = gci_profile_read(path, view->no_symbols);
    gci_scratch_remove(directory);
    if (profile)
        profile->path = word;
    if (!profile || view->shows_objects || profile->header.rate_bytes != 0)
        return profile;
    gci_profile_forget(profile);
    gci_message_fail(0, word, "no profile is on in this process; 'gcalloc record %s' records it", word);
    return NULL;
}

/* What a process has written so far, and writes; of one that keeps its profile in memory, that as it is now. */
static struct profile *follow_process(const struct view *view, const char *word)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%s", word);
    if (access(path, F_OK) != 0) {
        gci_message_fail(0, word, "no such process, and no file of this name");
        return NULL;
    }
    if (find_open_profile(word, path) || find_named_profile(word, path))
        return gci_profile_follow(path, view->no_symbols);
    return ask_process(view, word);
}

struct profile *gci_view_read(const struct view *view, const char *word)
{
    if (!gci_view_is_process(word))
        return gci_profile_read(word, view->no_symbols);
    return (view->follows ? follow_process : ask_process)(view, word);
}

struct profile *gci_view_follow(const struct view *view, const char *word)
{
    return gci_view_is_process(word) ? follow_process(view, word) : gci_profile_follow(word, view->no_symbols);
}

int gci_view_finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    return gci_message_fail(EXIT_OWN_FAILURE, "standard output", "cannot be written: %s", strerror(errno));
}
