/* SPDX-License-Identifier: MIT */
/* The process keeps the profile in memory, where it goes when the process does: so it is asked again and again, as often as it
 * would write a moment itself, and each answer takes the place of the one before, whole.
 */
#include "cli/start/running.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli/attach/attach.h"
#include "cli/base/message.h"

#define ASK_MS_MIN 1000 /* and later a tenth of the time */
#define ASK_SHARE 10
#define WHILE_MS_MAX INT64_C(3600000) /* of one wait */

enum reason { REASON_TIME, REASON_SIGNAL, REASON_END };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int take_signals(sigset_t *before)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t taken;
    sigemptyset(&taken);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(&taken, numbers[i]);
    sigprocmask(SIG_BLOCK, &taken, before);
    return signalfd(-1, &taken, SFD_CLOEXEC);
}

static int ask_whole(const struct running *running, const char *what)
{
    char part[PATH_MAX + sizeof ".part"];
    snprintf(part, sizeof part, "%s.part", running->path);
    int code = gci_attach_request(running->process, what, part);
    if (code == 0 && rename(part, running->path) != 0)
        code = gci_message_fail(EXIT_OWN_FAILURE, running->path, "%s", strerror(errno));
    if (code != 0)
        unlink(part);
    return code;
}

static enum reason wait_until(int process, int signals, int64_t end_ms)
{
    struct pollfd watched[] = {{.fd = process, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    for (int64_t now = now_ms(); now < end_ms; now = now_ms()) {
        int64_t rest = end_ms - now < WHILE_MS_MAX ? end_ms - now : WHILE_MS_MAX;
        if (poll(watched, 2, (int)rest) <= 0)
            continue;
        return watched[0].revents != 0 ? REASON_END : REASON_SIGNAL;
    }
    return REASON_TIME;
}

/* Asks now and then. */
static int watch(const struct running *running, int process, int signals, enum reason *reason)
{
    int64_t start = now_ms();
    int64_t duration = running->duration_seconds > 0 ? (int64_t)running->duration_seconds * 1000 : INT64_MAX - start;
    for (;;) {
        int64_t passed = now_ms() - start;
        int64_t next = passed + (passed / ASK_SHARE > ASK_MS_MIN ? passed / ASK_SHARE : ASK_MS_MIN);
        *reason = wait_until(process, signals, start + (next < duration ? next : duration));
        if (*reason != REASON_TIME || next >= duration)
            return 0;
        int code = ask_whole(running, "profile");
        if (code != 0)
            return code;
    }
}

static int finish(const struct running *running, enum reason reason)
{
    if (reason == REASON_END && access(running->path, F_OK) == 0)
        return 0;
    if (reason == REASON_END)
        return gci_message_fail(EXIT_OWN_FAILURE, running->path, "process %d has ended before it told anything",
                                (int)running->process);
    int code = ask_whole(running, running->graph ? "graph" : "leaks");
    int stopped = gci_attach_request(running->process, "stop", NULL);
    return code != 0 ? code : stopped;
}

int gci_running_record(const struct running *running)
{
    sigset_t before;
    enum reason reason = REASON_END;
    int process = (int)syscall(SYS_pidfd_open, running->process, 0);
    int signals = take_signals(&before);
    int code = gci_attach_request(running->process, running->start, NULL);
    if (code == 0 && (process < 0 || signals < 0))
        code = gci_message_fail(EXIT_OWN_FAILURE, "record", "cannot wait: %s", strerror(errno));
    else if (code == 0 && (code = ask_whole(running, "profile")) == 0) {
        code = watch(running, process, signals, &reason);
        code = code == 0 ? finish(running, reason) : code;
    }
    if (signals >= 0)
        close(signals);
    if (process >= 0)
        close(process);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return code;
}
