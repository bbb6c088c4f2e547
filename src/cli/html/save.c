/* SPDX-License-Identifier: MIT */
#include "cli/html/save.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/base/message.h"
#include "cli/html/page.h"
#include "cli/output/file.h"

/* ---- Options ---- */

static const struct arguments_option options[] = {
    {.name = "html",
     .help = "A page for the browser, one file that needs no other, in place of text",
     ARGUMENTS_SET_FLAG(struct save, html)},
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "With --html: write it there, in place of the profile's name and .html; -: standard output",
     ARGUMENTS_SET_TEXT(struct save, output)},
    {.name = "force",
     .letter = 'f',
     .help = "With --html: replace the file if it exists",
     ARGUMENTS_SET_FLAG(struct save, overwrite)},
    {.name = "compare",
     .value = "FILE|PID",
     .help = "With --html: show what is more and what is less than in this earlier profile",
     ARGUMENTS_SET_TEXT(struct save, compare)},
    {0},
};

const struct arguments gci_save_arguments = {.options = options};

int gci_save_check(const struct save *save, const struct view *view)
{
    const char *alone = save->output ? "--output" : save->compare ? "--compare" : save->overwrite ? "--force" : NULL;
    if (!save->html && alone)
        return gci_message_fail(EXIT_OWN_FAILURE, alone, "only goes with --html");
    if (save->html && view->json)
        return gci_message_fail(EXIT_OWN_FAILURE, "--html", "does not go with --json");
    return 0;
}

/* ---- The file ---- */

static const char *choose_path(const char *path, const struct profile *profile, char own[PATH_MAX])
{
    if (path)
        return path;
    bool is_process = strncmp(profile->path, "/proc/", 6) == 0; /* its file has no name there */
    const char *name = is_process ? profile->executable : profile->path, *slash = strrchr(name, '/');
    if (slash)
        name = slash + 1;
    if (is_process)
        snprintf(own, PATH_MAX, "%.*s.%" PRIu32 ".html", NAME_MAX / 2, name, profile->header.process);
    else
        snprintf(own, PATH_MAX, "%.*s.html", PATH_MAX - (int)sizeof ".html", name);
    return own;
}

static bool is_same_file(const char *left, const char *right)
{
    struct stat one, other;
    return stat(left, &one) == 0 && stat(right, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

static int write_file(const char *path, bool overwrite, const struct profile *profile, const struct profile *base)
{
    struct output_file file;
    int code = gci_file_open(&file, path, overwrite, true);
    if (code != 0)
        return code;
    gci_page_write(file.stream, profile, base);
    code = gci_file_close(&file);
    if (code == 0 && path)
        puts(path);
    return code;
}

int gci_save_page(const struct save *save, const struct view *view, const struct profile *profile)
{
    char own[PATH_MAX];
    bool is_shown = save->output && gci_file_is_standard_output(save->output);
    const char *path = is_shown ? NULL : choose_path(save->output, profile, own);
    struct profile *base = save->compare ? gci_view_read(view, save->compare) : NULL;
    if (save->compare && !base)
        return EXIT_OWN_FAILURE;
    int code;
    if (path && (is_same_file(path, profile->path) || (base && is_same_file(path, base->path))))
        code = gci_message_fail(EXIT_OWN_FAILURE, path, "is the profile itself, which the page would overwrite");
    else
        code = write_file(path, save->overwrite, profile, base);
    if (base)
        gci_profile_forget(base);
    return code;
}
