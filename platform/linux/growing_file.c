/* SPDX-License-Identifier: MIT */
/* The growing files of platform/env.h, and what the kernel tells of the process. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "base/text.h"
#include "platform/clock.h"
#include "platform/env.h"
#include "platform/linux/file.h"

#define SECOND_NS UINT64_C(1000000000)

/* Wherever the program goes later. */
static int make_absolute(struct growing_file *file, int descriptor)
{
    struct text link;
    gci_text_init(&link);
    gci_text_add(&link, "/proc/self/fd/");
    gci_text_add_decimal(&link, (uint64_t)descriptor);
    ssize_t length = readlink(link.bytes, file->path, sizeof file->path - 1);
    if (length <= 0)
        return length < 0 ? errno : ENAMETOOLONG;
    file->path[length] = '\0';
    return 0;
}

static int remember(struct growing_file *file, int descriptor)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return errno;
    file->device = status.st_dev;
    file->number = status.st_ino;
    file->bytes = 0;
    return make_absolute(file, descriptor);
}

/* Why there can be no new file of that name. */
static int why_not_created(const char *path, int error)
{
    struct stat status;
    return error == EEXIST && lstat(path, &status) == 0 && S_ISDIR(status.st_mode) ? EISDIR : error;
}

int gci_env_file_create(struct growing_file *file, const char *path)
{
    int saved = errno;
    int descriptor = file_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY, S_IRUSR | S_IWUSR);
    int result = descriptor < 0 ? why_not_created(path, errno) : remember(file, descriptor);
    if (descriptor >= 0)
        file_close(descriptor);
    errno = saved;
    return result;
}

static bool is_the_file(const struct growing_file *file, int descriptor)
{
    struct stat status;
    return fstat(descriptor, &status) == 0 && status.st_dev == file->device && status.st_ino == file->number;
}

/* The kernel would not only refuse what passes the limit, but end the process by a signal. */
static bool passes_limit(uint64_t bytes)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && bytes > limit.rlim_cur;
}

static int write_piece(struct growing_file *file, int descriptor, const char *bytes, size_t count)
{
    uint64_t at = file->bytes;
    if (passes_limit(at + count))
        return EFBIG;
    while (count > 0) {
        ssize_t written = file_write_at(descriptor, bytes, count, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? errno : EIO;
        bytes += written;
        count -= (size_t)written;
        at += (uint64_t)written;
    }
    file->bytes = at;
    return 0;
}

int gci_env_file_append(struct growing_file *file, const void *bytes, size_t count)
{
    int saved = errno;
    int result = 0;
    int descriptor = file_open(file->path, O_WRONLY | O_NOFOLLOW | O_NOCTTY, 0);
    if (descriptor < 0)
        result = errno;
    else if (!is_the_file(file, descriptor))
        result = ESTALE;
    else if ((result = write_piece(file, descriptor, bytes, count)) != 0)
        (void)!ftruncate(descriptor, (off_t)file->bytes);
    if (descriptor >= 0)
        file_close(descriptor);
    errno = saved;
    return result;
}

size_t gci_env_file_head(const char *path, void *to, size_t limit, uint64_t *changed_ns)
{
    int saved = errno;
    struct stat status;
    ssize_t length = -1;
    int descriptor = file_open(path, O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0);
    if (descriptor >= 0 && fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)) {
        *changed_ns = (uint64_t)status.st_mtim.tv_sec * SECOND_NS + (uint64_t)status.st_mtim.tv_nsec;
        length = file_read_at(descriptor, to, limit, 0);
    }
    if (descriptor >= 0)
        file_close(descriptor);
    errno = saved;
    return length > 0 ? (size_t)length : 0;
}

/* ---- What the kernel tells of the process ------------------------------------------------------------------------- */

#define STAT_BYTES 512u /* of numbers, and a name of 15 bytes */
#define STAT_START 20u  /* of the numbers behind the name */

/* The name stands in parentheses and may hold some itself. */
static bool find_start_ticks(const char *line, uint64_t *ticks)
{
    const char *at = strrchr(line, ')');
    for (unsigned i = 0; at != NULL && i < STAT_START; i++)
        at = strchr(at + 1, ' ');
    if (at == NULL)
        return false;
    at++;
    return gci_text_read_decimal(&at, ticks);
}

uint64_t gci_env_process_start_ns(void)
{
    int saved = errno;
    char line[STAT_BYTES];
    struct timespec since_boot;
    uint64_t ticks;
    int descriptor = file_open_to_read("/proc/self/stat");
    ssize_t length = descriptor >= 0 ? file_read(descriptor, line, sizeof line - 1) : -1;
    if (descriptor >= 0)
        file_close(descriptor);
    errno = saved;
    line[length > 0 ? length : 0] = '\0';
    if (!find_start_ticks(line, &ticks) || clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0)
        return UINT64_MAX;
    uint64_t now_ns = (uint64_t)since_boot.tv_sec * SECOND_NS + (uint64_t)since_boot.tv_nsec;
    return gci_clock_realtime_ns() - now_ns + ticks * (SECOND_NS / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* Whole words of what was read; the number of bytes that they take. */
static size_t count_words(const char *bytes, size_t count, uint32_t *words)
{
    size_t end = 0;
    for (size_t i = 0; i < count; i++)
        if (bytes[i] == '\0') {
            end = i + 1;
            (*words)++;
        }
    return end;
}

size_t gci_env_command(char *to, size_t limit, uint32_t *words)
{
    int saved = errno;
    *words = 0;
    ssize_t length = readlink("/proc/self/exe", to, limit - 1);
    size_t used = length > 0 ? (size_t)length : 0;
    to[used++] = '\0';
    int descriptor = file_open_to_read("/proc/self/cmdline");
    if (descriptor >= 0) {
        length = file_read(descriptor, to + used, limit - used);
        file_close(descriptor);
        used += length > 0 ? count_words(to + used, (size_t)length, words) : 0;
    }
    errno = saved;
    return used;
}
