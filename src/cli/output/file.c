/* SPDX-License-Identifier: MIT */
#include "cli/output/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/base/message.h"

#define BUFFER_BYTES (1 << 18)
#define MODE_BITS 07777

static int fail(const char *path, const char *cause)
{
    return gci_message_fail(EXIT_OWN_FAILURE, path ? path : "standard output", "cannot be written: %s", cause);
}

/* A descriptor of a new file. -1 with errno. */
static int create_new(struct output_file *file, const char *path)
{
    file->written = strdup(path);
    int descriptor = file->written ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
    if (descriptor < 0) {
        free(file->written); /* what is there is not ours to remove */
        file->written = NULL;
    }
    return descriptor;
}

/* A descriptor of a file beside the one that it will replace. -1 with errno. */
static int create_beside(struct output_file *file, const struct stat *old)
{
    file->destination = realpath(file->path, NULL); /* a symbolic link stays one */
    if (!file->destination || asprintf(&file->written, "%s.XXXXXX", file->destination) < 0) {
        file->written = NULL;
        return -1;
    }
    int descriptor = mkostemp(file->written, O_CLOEXEC);
    if (descriptor < 0) {
        free(file->written);
        file->written = NULL;
    } else if (fchmod(descriptor, old->st_mode & MODE_BITS) != 0) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

static int open_path(struct output_file *file, bool overwrite)
{
    struct stat old;
    if (stat(file->path, &old) != 0)
        return create_new(file, file->path);
    if (!S_ISREG(old.st_mode)) /* a device, a pipe */
        return open(file->path, O_WRONLY | O_CLOEXEC);
    if (overwrite)
        return create_beside(file, &old);
    errno = EEXIST;
    return -1;
}

/* All of it: a stream takes less for an error. */
static ssize_t write_all(void *cookie, const char *bytes, size_t count)
{
    struct output_file *file = cookie;
    size_t done = 0;
    while (done < count) {
        ssize_t written = write(file->descriptor, bytes + done, count - done);
        if (written >= 0) {
            done += (size_t)written;
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
    *file = (struct output_file){.path = path};
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an error of writing, and told as one */
    if (!path && is_binary && isatty(STDOUT_FILENO))
        return fail(path, "it is a terminal and this format is no text; use -o FILE");
    file->descriptor = path ? open_path(file, overwrite) : STDOUT_FILENO;
    if (file->descriptor >= 0)
        open_stream(file);
    if (file->stream)
        return 0;
    int error = errno;
    gci_file_close(file, EXIT_OWN_FAILURE);
    return fail(path, error == EEXIST ? "it exists; -f replaces it" : strerror(error));
}

int gci_file_close(struct output_file *file, int code)
{
    bool is_bad = file->stream && fclose(file->stream) != 0;
    if (code == 0 && !is_bad && file->destination && rename(file->written, file->destination) != 0) {
        file->error = errno;
        is_bad = true;
    }
    if (is_bad && code == 0)
        code = fail(file->path, strerror(file->error ? file->error : EIO));
    if (code != 0 && file->written)
        unlink(file->written);
    free(file->written);
    free(file->destination);
    *file = (struct output_file){0};
    return code;
}
