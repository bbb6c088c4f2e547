/* SPDX-License-Identifier: MIT */
/* Implementation of cli/attach/attach.h. The files lie where the process sees them, in its own /tmp. The request file is also
 * what keeps two commands from asking one process at once: it is made anew and locked, and what a command that is gone has
 * left is taken away.
 */
#include "cli/attach/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/request_format.h"
#include "cli/attach/target.h"
#include "cli/base/message.h"

/* What a process may take: a thread that is hard to stop, a heap of gigabytes that is written out. */
#define LIMIT_S 60
#define LOOK_MS_MIN 1
#define LOOK_MS_MAX 50
#define DEAF_MS 2000 /* many time slices: as long as an answer's handler may wait for its end */
#define STOPS_MAX 10 /* on a busy machine a thread may wait for longer than a stop may last */

struct attempt {
    struct target target;
    int directory;
    int request; /* the file, locked */
    uint64_t number;
    char answer[REQUEST_BYTES_MAX];
};

static int fail(const struct attempt *attempt, const char *cause)
{
    char thing[32];
    snprintf(thing, sizeof thing, "process %d", (int)attempt->target.process);
    return gci_message_fail(EXIT_OWN_FAILURE, thing, "%s", cause);
}

static int fail_with(const struct attempt *attempt, const char *what, int error)
{
    char cause[160];
    snprintf(cause, sizeof cause, "%s: %s", what, strerror(error));
    return fail(attempt, cause);
}

/* ---- Files -------------------------------------------------------------------------------------------------------- */

struct name {
    char text[48];
};

static struct name name_with(const struct attempt *attempt, const char *ending)
{
    struct name name;
    snprintf(name.text, sizeof name.text, "%d%s", (int)attempt->target.own_id, ending);
    return name;
}

static void remove_file(const struct attempt *attempt, const char *ending)
{
    unlinkat(attempt->directory, name_with(attempt, ending).text, 0);
}

/* Root makes files for the process's user. */
static bool give(const struct attempt *attempt, int file)
{
    return geteuid() == attempt->target.user || fchown(file, attempt->target.user, (gid_t)-1) == 0;
}

static bool is_users_own(const struct attempt *attempt, int directory)
{
    struct stat status;
    return fstat(directory, &status) == 0 && status.st_uid == attempt->target.user &&
           (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

static int open_directory(struct attempt *attempt)
{
    char path[96];
    snprintf(path, sizeof path, "/proc/%d/root" REQUEST_DIRECTORY "%u", (int)attempt->target.process,
             (unsigned)attempt->target.own_user);
    bool is_new = mkdir(path, S_IRWXU) == 0;
    if (!is_new && errno != EEXIST)
        return fail_with(attempt, "its /tmp cannot be used", errno);
    attempt->directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (attempt->directory < 0)
        return fail_with(attempt, "its directory " REQUEST_DIRECTORY "* in /tmp cannot be opened", errno);
    if (is_new && !give(attempt, attempt->directory))
        return fail_with(attempt, "its directory in /tmp cannot be given to its user", errno);
    if (!is_users_own(attempt, attempt->directory))
        return fail(attempt, "the directory " REQUEST_DIRECTORY "* in its /tmp is not its user's alone");
    return 0;
}

/* Another command may have taken the file away, for one that was left, before it was locked. */
static bool is_there(int file)
{
    struct stat status;
    return fstat(file, &status) == 0 && status.st_nlink != 0;
}

/* False with errno EWOULDBLOCK: another command is asking. */
static bool take_place(struct attempt *attempt)
{
    struct name name = name_with(attempt, REQUEST_FILE);
    attempt->request =
        openat(attempt->directory, name.text, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (attempt->request >= 0) {
        if (flock(attempt->request, LOCK_EX | LOCK_NB) == 0 && is_there(attempt->request))
            return give(attempt, attempt->request);
        close(attempt->request);
        errno = EWOULDBLOCK;
        return false;
    }
    if (errno != EEXIST)
        return false;
    int others = openat(attempt->directory, name.text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (others >= 0 && flock(others, LOCK_EX | LOCK_NB) == 0)
        unlinkat(attempt->directory, name.text, 0);
    if (others >= 0)
        close(others);
    errno = EWOULDBLOCK;
    return false;
}

/* ---- Waiting ------------------------------------------------------------------------------------------------------ */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Looks again and again, at first often; `look` answers 0 for "not yet". */
static int wait_for(struct attempt *attempt, int (*look)(struct attempt *attempt))
{
    int64_t end = now_ms() + LIMIT_S * INT64_C(1000);
    for (int pause = LOOK_MS_MIN; now_ms() < end; pause = 2 * pause < LOOK_MS_MAX ? 2 * pause : LOOK_MS_MAX) {
        int found = look(attempt);
        if (found != 0)
            return found;
        if (gci_target_ends_within(&attempt->target, pause))
            return look(attempt) > 0 ? 1 : -1;
    }
    return 0;
}

static int look_for_place(struct attempt *attempt)
{
    if (take_place(attempt))
        return 1;
    return errno == EWOULDBLOCK ? 0 : -1;
}

/* One to an earlier request, of a command that is gone, is none. */
static int look_for_answer(struct attempt *attempt)
{
    char line[REQUEST_BYTES_MAX];
    char *words;
    int file = openat(attempt->directory, name_with(attempt, REQUEST_ANSWER).text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t count = file >= 0 ? read(file, line, sizeof line - 1) : -1;
    if (file >= 0)
        close(file);
    if (count <= 0)
        return 0;
    line[count] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (strtoull(line, &words, 10) != attempt->number || *words != ' ')
        return 0;
    snprintf(attempt->answer, sizeof attempt->answer, "%s", words + 1);
    return 1;
}

static int claim(struct attempt *attempt)
{
    int found = wait_for(attempt, look_for_place);
    if (found > 0)
        return 0;
    if (found == 0)
        return fail(attempt, "another gcalloc command is asking it");
    if (gci_target_ends_within(&attempt->target, 0))
        return fail(attempt, "has ended");
    return fail_with(attempt, "the request cannot be written in its /tmp", errno);
}

/* A process that has just answered, and has not come out of its handler yet, blocks the signal: that passes. */
static const char *lasting_deafness(const struct attempt *attempt)
{
    int64_t end = now_ms() + DEAF_MS;
    const char *cause = gci_target_deafness(&attempt->target);
    while (cause != NULL && now_ms() < end && !gci_target_ends_within(&attempt->target, LOOK_MS_MAX))
        cause = gci_target_deafness(&attempt->target);
    return cause;
}

static int ask_once(struct attempt *attempt, const char *what)
{
    char line[REQUEST_BYTES_MAX];
    attempt->number = (uint64_t)now_ms() << 22 | (uint64_t)getpid(); /* no process has a number of more bits */
    int count = snprintf(line, sizeof line, "%llu %s\n", (unsigned long long)attempt->number, what);
    remove_file(attempt, REQUEST_ANSWER);
    remove_file(attempt, REQUEST_RESULT);
    if (count >= (int)sizeof line || pwrite(attempt->request, line, (size_t)count, 0) != count)
        return fail_with(attempt, "the request cannot be written in its /tmp", errno);
    const char *cause = lasting_deafness(attempt);
    if (cause != NULL)
        return fail(attempt, cause);
    int error = gci_target_signal(&attempt->target, REQUEST_VALUE);
    if (error != 0)
        return fail_with(attempt, "cannot be sent a signal", error);
    int found = wait_for(attempt, look_for_answer);
    if (found < 0)
        return fail(attempt, "has ended without an answer");
    if (found > 0)
        return 0;
    cause = gci_target_deafness(&attempt->target); /* since then */
    return fail(attempt, cause != NULL ? cause : "does not answer");
}

/* A process that is just writing its profile is asked again, and so is one whose threads did not stop in time. */
static int ask(struct attempt *attempt, const char *what)
{
    int64_t end = now_ms() + LIMIT_S * INT64_C(1000);
    for (int stops = 1;;) {
        int code = ask_once(attempt, what);
        if (code != 0)
            return code;
        bool is_unstopped = strcmp(attempt->answer, REQUEST_UNSTOPPED) == 0;
        if ((!is_unstopped && strcmp(attempt->answer, REQUEST_BUSY) != 0) || (is_unstopped && stops++ == STOPS_MAX))
            return 0;
        if (now_ms() >= end || gci_target_ends_within(&attempt->target, LOOK_MS_MAX))
            return is_unstopped ? 0 : fail(attempt, "is busy writing its profile");
    }
}

/* ---- The answer --------------------------------------------------------------------------------------------------- */

static bool copy(int from, int to)
{
    static char bytes[1 << 16];
    ssize_t count;
    while ((count = read(from, bytes, sizeof bytes)) > 0)
        for (ssize_t done = 0; done < count;) {
            ssize_t written = write(to, bytes + done, (size_t)(count - done));
            if (written <= 0)
                return false;
            done += written;
        }
    return count == 0;
}

static int hand_on(const struct attempt *attempt, const char *path)
{
    int from = openat(attempt->directory, name_with(attempt, REQUEST_RESULT).text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return fail_with(attempt, "its result cannot be read", errno);
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    bool done = to >= 0 && copy(from, to);
    int error = errno;
    close(from);
    if (to >= 0 && close(to) != 0 && done) {
        error = errno;
        done = false;
    }
    return done ? 0 : gci_message_fail(EXIT_OWN_FAILURE, path, "%s", strerror(error));
}

static int ask_in_place(struct attempt *attempt, const char *what, const char *path)
{
    int code = ask(attempt, what);
    if (code == 0)
        code = strcmp(attempt->answer, "ok") == 0 ? 0 : fail(attempt, attempt->answer);
    if (code == 0 && path != NULL)
        code = hand_on(attempt, path);
    remove_file(attempt, REQUEST_ANSWER);
    remove_file(attempt, REQUEST_RESULT);
    remove_file(attempt, REQUEST_FILE);
    close(attempt->request);
    return code;
}

int gci_attach_request(pid_t process, const char *what, const char *path)
{
    struct attempt attempt = {.directory = -1};
    int code = gci_target_open(&attempt.target, process);
    if (code != 0)
        return code;
    code = open_directory(&attempt);
    if (code == 0)
        code = claim(&attempt);
    if (code == 0)
        code = ask_in_place(&attempt, what, path);
    if (attempt.directory >= 0)
        close(attempt.directory);
    close(attempt.target.handle);
    return code;
}
