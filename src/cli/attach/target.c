/* SPDX-License-Identifier: MIT */
/* Implementation of cli/attach/target.h: /proc/PID/status, maps, uid_map and task. */
#include "cli/attach/target.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/request_format.h"
#include "cli/base/message.h"

static int fail(const struct target *target, const char *cause)
{
    char thing[32];
    snprintf(thing, sizeof thing, "process %d", (int)target->process);
    return gci_message_fail(EXIT_OWN_FAILURE, thing, "%s", cause);
}

static FILE *open_file(const struct target *target, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)target->process, name);
    return fopen(path, "re");
}

/* ---- Status ------------------------------------------------------------------------------------------------------- */

struct status {
    char state; /* R, S, T (stopped), Z (ended) ... */
    uid_t user;
    pid_t own_id;
    uint64_t blocked;
    uint64_t caught;
};

/* "Uid: REAL EFFECTIVE SAVED ..." */
static uid_t effective_user(const char *line)
{
    char *effective;
    unsigned long real = strtoul(line + strlen("Uid:"), &effective, 10);
    (void)real;
    return (uid_t)strtoul(effective, NULL, 10);
}

static void read_status_line(const char *line, struct status *status)
{
    if (strncmp(line, "State:", 6) == 0)
        status->state = line[6 + strspn(line + 6, " \t")];
    else if (strncmp(line, "Uid:", 4) == 0)
        status->user = effective_user(line);
    else if (strncmp(line, "NSpid:", 6) == 0)
        status->own_id = (pid_t)strtol(strrchr(line, '\t') + 1, NULL, 10); /* the innermost is the last */
    else if (strncmp(line, "SigBlk:", 7) == 0)
        status->blocked = strtoull(line + 7, NULL, 16);
    else if (strncmp(line, "SigCgt:", 7) == 0)
        status->caught = strtoull(line + 7, NULL, 16);
}

static bool read_status(const struct target *target, const char *name, struct status *status)
{
    char line[256];
    FILE *file = open_file(target, name);
    if (file == NULL)
        return false;
    *status = (struct status){.own_id = target->process};
    while (fgets(line, sizeof line, file) != NULL)
        read_status_line(line, status);
    fclose(file);
    return status->state != 0;
}

/* The user as the process knows him: in a namespace of its own he has another number. */
static uid_t own_user(const struct target *target, uid_t user)
{
    char line[128];
    uid_t found = user;
    FILE *file = open_file(target, "uid_map");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *rest = line;
        uid_t inside = (uid_t)strtoul(rest, &rest, 10);
        uid_t outside = (uid_t)strtoul(rest, &rest, 10);
        if (user - outside < (uid_t)strtoul(rest, NULL, 10))
            found = inside + (user - outside);
    }
    if (file != NULL)
        fclose(file);
    return found;
}

/* ---- The library -------------------------------------------------------------------------------------------------- */

#define BEACON_PATH "/memfd:" REQUEST_BEACON
#define LIBRARY_NAME "/libgcalloc"

/* Why the process cannot be asked; NULL: the target's signal is known. */
static const char *find_signal(struct target *target)
{
    char line[512];
    bool has_library = false;
    FILE *file = open_file(target, "maps");
    errno = file != NULL ? 0 : errno;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *found = strstr(line, BEACON_PATH);
        long number = found != NULL ? strtol(found + strlen(BEACON_PATH), NULL, 10) : 0;
        if (number > 0 && number <= SIGRTMAX)
            target->signal = (int)number;
        has_library = has_library || strstr(line, LIBRARY_NAME) != NULL;
    }
    int error = errno;
    if (file != NULL)
        fclose(file);
    if (target->signal != 0)
        return NULL;
    if (error == EACCES || error == EPERM)
        return "cannot be looked at: it is another user's, or has more rights than its user";
    return has_library ? "has the library, but no signal for it: GCALLOC_MODE=free, or taken"
                       : "does not have gcalloc's library loaded";
}

static int look_at(struct target *target)
{
    struct status status;
    if (!read_status(target, "status", &status) || status.state == 'Z')
        return fail(target, "has ended");
    target->user = status.user;
    target->own_id = status.own_id;
    target->own_user = own_user(target, status.user);
    const char *cause = find_signal(target);
    return cause != NULL ? fail(target, cause) : 0;
}

int gci_target_open(struct target *target, pid_t process)
{
    *target = (struct target){.process = process};
    target->handle = (int)syscall(SYS_pidfd_open, process, 0);
    if (target->handle < 0)
        return fail(target, errno == ESRCH || errno == EINVAL ? "no such process" : strerror(errno));
    int code = look_at(target);
    if (code != 0)
        close(target->handle);
    return code;
}

/* ---- The signal --------------------------------------------------------------------------------------------------- */

static bool is_blocked_by_all(const struct target *target, uint64_t bit)
{
    char path[64];
    bool all = true;
    snprintf(path, sizeof path, "/proc/%d/task", (int)target->process);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return false;
    for (struct dirent *task = readdir(tasks); task != NULL && all; task = readdir(tasks)) {
        char name[sizeof task->d_name + 16];
        struct status status;
        snprintf(name, sizeof name, "task/%s/status", task->d_name);
        if (task->d_name[0] != '.' && read_status(target, name, &status))
            all = (status.blocked & bit) != 0;
    }
    closedir(tasks);
    return all;
}

const char *gci_target_deafness(const struct target *target)
{
    static char cause[96];
    struct status status;
    uint64_t bit = UINT64_C(1) << (target->signal - 1);
    if (!read_status(target, "status", &status))
        return "has ended";
    if (status.state == 'T')
        return "is stopped: it answers when it goes on";
    if (!(status.caught & bit))
        snprintf(cause, sizeof cause, "does not handle signal %d any more", target->signal);
    else if (is_blocked_by_all(target, bit))
        snprintf(cause, sizeof cause, "blocks signal %d in every thread", target->signal);
    else
        return NULL;
    return cause;
}

int gci_target_signal(const struct target *target, int value)
{
    siginfo_t info = {.si_signo = target->signal, .si_code = SI_QUEUE};
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = value;
    return syscall(SYS_pidfd_send_signal, target->handle, target->signal, &info, 0) == 0 ? 0 : errno;
}

bool gci_target_ends_within(const struct target *target, int milliseconds)
{
    struct pollfd ending = {.fd = target->handle, .events = POLLIN};
    return poll(&ending, 1, milliseconds) == 1;
}
