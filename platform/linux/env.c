/* SPDX-License-Identifier: MIT */
/* platform/env.h for Linux. */
#include "platform/env.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/atomic.h"
#include "base/bits.h"
#include "platform/clock.h"
#include "platform/linux/file.h"

extern char **environ;

static char **early_environment;

void gci_env_use(char **environment)
{
    early_environment = environment;
}

char *const *gci_env_all(void)
{
    static char *none;
    char **entries = early_environment != NULL ? early_environment : environ;
    return entries == NULL || getauxval(AT_SECURE) != 0 ? &none : entries;
}

const char *gci_env_get(const char *name)
{
    for (char *const *entry = gci_env_all(); *entry != NULL; entry++) {
        if (!gci_text_starts_with(*entry, name))
            continue;
        const char *rest = *entry;
        for (const char *p = name; *p != '\0'; p++)
            rest++;
        if (*rest == '=')
            return rest + 1;
    }
    return NULL;
}

uint64_t gci_env_random(void)
{
    int saved = errno;
    uint64_t value;
    if (syscall(SYS_getrandom, &value, sizeof value, GRND_NONBLOCK) != (ssize_t)sizeof value)
        value = gci_clock_ns() * GOLDEN_ODD + (uint64_t)getpid();
    errno = saved;
    return value;
}

static volatile u32_shared is_process_confined;

void gci_env_confine(bool is_confined)
{
    u32_store(&is_process_confined, is_confined);
}

#define HARMFUL (UINT64_C(1) << (SIGPIPE - 1) | UINT64_C(1) << (SIGXFSZ - 1))

/* Those that wait to be taken already, sent by others. Only what is blocked can. */
static uint64_t waiting_signals(uint64_t blocked)
{
    uint64_t waiting = 0;
    if ((blocked & HARMFUL) != 0)
        syscall(SYS_rt_sigpending, &waiting, sizeof waiting);
    return waiting;
}

/* Of a part that went out before the reader did, the kernel tells as of any other. */
static bool may_have_sent(ssize_t written, size_t count, int error)
{
    return written >= 0 ? (size_t)written < count : error == EPIPE || error == EFBIG;
}

/* To a pipe that nobody reads, and past the limit of file sizes, the kernel does not only refuse to write: it sends the thread a
 * signal that ends the process, for a line that the program knows nothing of. In a sandbox that matters less than that the line
 * is written, before the process ends for it anyway. */
static ssize_t write_unharmed(int file, const void *bytes, size_t count)
{
    const uint64_t harmful = HARMFUL;
    const struct timespec at_once = {0, 0};
    uint64_t before;
    if (u32_load(&is_process_confined) != 0 ||
        syscall(SYS_rt_sigprocmask, SIG_BLOCK, &harmful, &before, sizeof before) != 0)
        return file_write(file, bytes, count);
    uint64_t sent = harmful & ~waiting_signals(before);
    ssize_t written = file_write(file, bytes, count);
    int error = errno;
    if (may_have_sent(written, count, error))
        syscall(SYS_rt_sigtimedwait, &sent, NULL, &at_once, sizeof sent);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
    errno = error;
    return written;
}

bool gci_env_write(int file, const void *bytes, size_t count)
{
    const char *next = bytes;
    while (count > 0) {
        ssize_t written = write_unharmed(file, next, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        next += written;
        count -= (size_t)written;
    }
    return true;
}

/* High enough that programs which count on getting low numbers, or hand descriptors on by number, never meet it. */
#define KEPT_DESCRIPTOR_LOWEST 200

/* The copy of standard error, and what it was: the program may have closed it and got its number for a file. */
static int kept_stream = -1;
static struct stat kept_status;

void gci_env_keep_error_stream(void)
{
    int saved = errno;
    if (fstat(STDERR_FILENO, &kept_status) == 0)
        kept_stream = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, KEPT_DESCRIPTOR_LOWEST);
    errno = saved;
}

int gci_env_error_stream(void)
{
    struct stat now;
    if (kept_stream >= 0 && fstat(kept_stream, &now) == 0 && now.st_dev == kept_status.st_dev &&
        now.st_ino == kept_status.st_ino)
        return kept_stream;
    return STDERR_FILENO;
}

void gci_env_report(const struct text *text)
{
    int saved = errno;
    struct text line;
    gci_text_init(&line);
    gci_text_add(&line, "gcalloc: ");
    gci_text_add(&line, text->bytes);
    if (line.length == TEXT_BYTES - 1) /* cut: the line still ends */
        line.length--;
    line.bytes[line.length] = '\n';
    gci_env_write(gci_env_error_stream(), line.bytes, line.length + 1);
    errno = saved;
}

void gci_env_report_string(const char *string)
{
    struct text text;
    gci_text_init(&text);
    gci_text_add(&text, string);
    gci_env_report(&text);
}

void gci_env_die(const struct text *text)
{
    gci_env_report(text);
    abort();
}

void gci_check_failed(const char *condition, const char *file, int line)
{
    struct text text;
    gci_text_init(&text);
    gci_text_add(&text, "internal check failed: ");
    gci_text_add(&text, condition);
    gci_text_add(&text, " at ");
    gci_text_add(&text, file);
    gci_text_add(&text, ":");
    gci_text_add_decimal(&text, (uint64_t)line);
    gci_env_die(&text);
}

bool gci_env_append_line(const char *path, const char *line, size_t bytes)
{
    int saved = errno;
    bool written = false;
    int file = file_open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY, S_IRUSR | S_IWUSR);
    if (file >= 0) {
        /* One call: lines of several processes do not mix. */
        written = write_unharmed(file, line, bytes) == (ssize_t)bytes;
        file_close(file);
    }
    errno = saved;
    return written;
}

const char *gci_env_program(void)
{
    static char path[4096];
    int saved = errno;
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    errno = saved;
    if (length <= 0)
        return "?";
    path[length] = '\0';
    const char *name = path;
    for (const char *p = path; *p != '\0'; p++)
        if (*p == '/')
            name = p + 1;
    return name;
}
