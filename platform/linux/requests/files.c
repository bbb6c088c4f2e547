/* SPDX-License-Identifier: MIT */
/* platform/env.h: the files through which another process asks. All of it may run in a signal handler. Nothing of a directory is
 * believed that is not this user's alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h> /* renameat */
#include <sys/stat.h>
#include <unistd.h>

#include "base/request_format.h"
#include "base/text.h"
#include "platform/env.h"
#include "platform/linux/file.h"
#include "platform/thread.h"

static bool is_own(int file, mode_t type)
{
    struct stat status;
    return fstat(file, &status) == 0 && (status.st_mode & S_IFMT) == type &&
           (status.st_uid == geteuid() || status.st_uid == 0) && (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

static struct text directory_path(void)
{
    struct text path;
    gci_text_init(&path);
    gci_text_add(&path, REQUEST_DIRECTORY);
    gci_text_add_decimal(&path, geteuid());
    return path;
}

static int open_directory(void)
{
    struct text path = directory_path();
    int directory = file_open(path.bytes, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (directory >= 0 && is_own(directory, S_IFDIR))
        return directory;
    if (directory >= 0)
        file_close(directory);
    return -1;
}

static struct text name_with(const char *ending)
{
    struct text name;
    gci_text_init(&name);
    gci_text_add_decimal(&name, gci_process_id());
    gci_text_add(&name, ending);
    return name;
}

static int open_in(int directory, const char *ending, int flags)
{
    struct text name = name_with(ending);
    return (int)syscall(SYS_openat, directory, name.bytes, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
                        S_IRUSR | S_IWUSR);
}

static void remove_from(int directory, const char *ending)
{
    struct text name = name_with(ending);
    unlinkat(directory, name.bytes, 0);
}

static bool read_line(int file, char line[REQUEST_BYTES_MAX])
{
    ssize_t count = file_read(file, line, REQUEST_BYTES_MAX - 1);
    if (count <= 0)
        return false;
    line[count] = '\0';
    for (ssize_t i = 0; i < count; i++)
        if (line[i] == '\n')
            line[i] = '\0';
    return true;
}

bool gci_env_take_request(char line[REQUEST_BYTES_MAX])
{
    int saved = errno;
    int directory = open_directory();
    int file = directory >= 0 ? open_in(directory, REQUEST_FILE, O_RDWR) : -1;
    bool done = file >= 0 && is_own(file, S_IFREG) && read_line(file, line) && ftruncate(file, 0) == 0;
    if (file >= 0)
        file_close(file);
    if (directory >= 0)
        file_close(directory);
    errno = saved;
    return done;
}

bool gci_env_result_path(char path[REQUEST_PATH_BYTES])
{
    int saved = errno;
    struct text text = directory_path();
    struct text name = name_with(REQUEST_RESULT);
    int directory = open_directory();
    gci_text_add(&text, "/");
    gci_text_add(&text, name.bytes);
    if (directory >= 0) {
        remove_from(directory, REQUEST_RESULT);
        file_close(directory);
        __builtin_memcpy(path, text.bytes, text.length + 1);
    }
    errno = saved;
    return directory >= 0;
}

/* Under another name first, so that it is never seen in part. */
#define HALF_ANSWER REQUEST_ANSWER "~"

static void write_answer(int directory, const char *line)
{
    struct text half = name_with(HALF_ANSWER);
    struct text whole = name_with(REQUEST_ANSWER);
    struct text text;
    gci_text_init(&text);
    gci_text_add_limited(&text, line, REQUEST_BYTES_MAX - 2);
    gci_text_add(&text, "\n");
    remove_from(directory, HALF_ANSWER);
    int file = open_in(directory, HALF_ANSWER, O_WRONLY | O_CREAT | O_EXCL);
    if (file < 0)
        return;
    bool is_written = gci_env_write(file, text.bytes, text.length);
    file_close(file);
    if (is_written)
        renameat(directory, half.bytes, directory, whole.bytes);
}

void gci_env_answer(const char *line)
{
    int saved = errno;
    int directory = open_directory();
    if (directory >= 0) {
        write_answer(directory, line);
        file_close(directory);
    }
    errno = saved;
}
