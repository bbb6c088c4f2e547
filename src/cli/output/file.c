/* SPDX-License-Identifier: MIT */
#include "cli/output/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/base/memory.h"
#include "cli/base/message.h"

#define BUFFER_BYTES (1 << 18)
#define MODE_BITS 07777
#define NEW_FILE_MODE 0666
#define OWN_NAME ".gcalloc.XXXXXX" /* of the file while it is written, in the folder of its place */
#define LINKS_MOST 40              /* as many as the kernel follows */

static int fail(const char *path, const char *cause)
{
    return gci_message_fail(EXIT_OWN_FAILURE, path ? path : "standard output", "cannot be written: %s", cause);
}

/* ---- The file that is being written ---- */

static char *volatile written; /* NULL: there is none */

static void remove_written(void)
{
    if (written)
        unlink(written);
}

static void forget_written(void)
{
    char *path = written;
    written = NULL;
    free(path);
}

static void end_by_signal(int number)
{
    remove_written();
    signal(number, SIG_DFL);
    raise(number);
}

/* Whatever ends the command from here on takes the file away. A signal that is ignored, as by nohup, stays so. */
static void watch_over_written(void)
{
    static const int endings[] = {SIGINT, SIGTERM, SIGHUP};
    static bool is_watching;
    if (is_watching)
        return;
    is_watching = atexit(remove_written) == 0;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (signal(endings[i], end_by_signal) == SIG_IGN)
            signal(endings[i], SIG_IGN);
    }
}

static mode_t mode_of_new_file(void)
{
    mode_t mask = umask(0);
    umask(mask);
    return NEW_FILE_MODE & ~mask;
}

/* The folder that a path is in, with its slash: so many bytes of it. */
static int folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash + 1 - path) : 0;
}

/* A descriptor of a file beside the one that it will be. -1 with errno. */
static int create_beside(const char *destination, mode_t mode)
{
    char *path = NULL;
    if (asprintf(&path, "%.*s" OWN_NAME, folder_length(destination), destination) < 0)
        gci_memory_give_up();
    watch_over_written();
    written = path;
    int descriptor = mkostemp(path, O_CLOEXEC);
    if (descriptor < 0)
        forget_written();
    else if (fchmod(descriptor, mode) != 0) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

/* Where symbolic links lead at whose end nothing is. For free(); NULL with errno. */
static char *follow_links(const char *path)
{
    char target[PATH_MAX], *at = strdup(path);
    for (int i = 0; at && i < LINKS_MOST; i++) {
        ssize_t length = readlink(at, target, sizeof target - 1);
        if (length < 0)
            return at;
        char *next = NULL;
        target[length] = '\0';
        if (asprintf(&next, "%.*s%s", target[0] == '/' ? 0 : folder_length(at), at, target) < 0)
            gci_memory_give_up();
        free(at);
        at = next;
    }
    free(at);
    errno = ELOOP;
    return NULL;
}

static int open_in_place(struct output_file *file)
{
    free(file->destination);
    file->destination = NULL;
    file->has_old = true;
    return open(file->path, O_WRONLY | O_CLOEXEC);
}

static int open_path(struct output_file *file)
{
    struct stat old;
    bool is_there = stat(file->path, &old) == 0;
    if (is_there && !S_ISREG(old.st_mode)) /* a device, a pipe */
        return open(file->path, O_WRONLY | O_CLOEXEC);
    if (is_there && !file->overwrite) {
        errno = EEXIST;
        return -1;
    }
    file->destination =
        is_there ? realpath(file->path, NULL) : follow_links(file->path); /* a symbolic link stays one */
    if (!file->destination)
        return -1;
    int descriptor = create_beside(file->destination, is_there ? old.st_mode & MODE_BITS : mode_of_new_file());
    return descriptor < 0 && errno == EACCES && is_there ? open_in_place(file) : descriptor;
}

/* Some file systems cannot refuse to replace what came meanwhile. */
static bool move_into_place(const struct output_file *file)
{
    if (!file->overwrite && renameat2(AT_FDCWD, written, AT_FDCWD, file->destination, RENAME_NOREPLACE) == 0)
        return true;
    return (file->overwrite || errno == EINVAL) && rename(written, file->destination) == 0;
}

/* ---- Its stream ---- */

static void drop_old(struct output_file *file)
{
    if (file->has_old && ftruncate(file->descriptor, 0) != 0 && file->error == 0)
        file->error = errno;
    file->has_old = false;
}

/* All of it: a stream takes less for an error. */
static ssize_t write_all(void *cookie, const char *bytes, size_t count)
{
    struct output_file *file = cookie;
    size_t done = 0;
    drop_old(file);
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an error of writing, and told as one */
    while (done < count) {
        ssize_t some = write(file->descriptor, bytes + done, count - done);
        if (some >= 0) {
            done += (size_t)some;
        } else if (errno != EINTR) {
            file->error = file->error ? file->error : errno;
            return 0; /* what says "error" here */
        }
    }
    return (ssize_t)done;
}

static int close_descriptor(void *cookie)
{
    struct output_file *file = cookie;
    drop_old(file);
    if (file->path && close(file->descriptor) != 0 && file->error == 0)
        file->error = errno;
    return file->error ? -1 : 0;
}

static void open_stream(struct output_file *file)
{
    static const cookie_io_functions_t functions = {.write = write_all, .close = close_descriptor};
    file->stream = fopencookie(file, "w", functions);
    if (file->stream)
        setvbuf(file->stream, NULL, _IOFBF, BUFFER_BYTES);
    else if (file->path)
        close(file->descriptor);
}

bool gci_file_is_standard_output(const char *word)
{
    return strcmp(word, "-") == 0;
}

int gci_file_open(struct output_file *file, const char *path, bool overwrite, bool is_binary)
{
    if (path && gci_file_is_standard_output(path))
        path = NULL;
    *file = (struct output_file){.path = path, .overwrite = overwrite};
    if (path && path[0] == '\0')
        return gci_message_fail(EXIT_OWN_FAILURE, "''", "a file's name cannot be empty");
    if (!path && is_binary && isatty(STDOUT_FILENO))
        return fail(path, "it is a terminal and this format is no text; use -o FILE");
    file->descriptor = path ? open_path(file) : STDOUT_FILENO;
    if (file->descriptor >= 0)
        open_stream(file);
    if (file->stream)
        return 0;
    int error = errno;
    remove_written();
    forget_written();
    free(file->destination);
    return fail(path, error == EEXIST ? "it exists; -f replaces it" : strerror(error));
}

int gci_file_close(struct output_file *file)
{
    bool is_good = fclose(file->stream) == 0;
    if (is_good && file->destination && !move_into_place(file)) {
        file->error = errno;
        is_good = false;
    }
    if (!is_good)
        remove_written();
    forget_written();
    free(file->destination);
    return is_good ? 0 : fail(file->path, strerror(file->error ? file->error : EIO));
}
