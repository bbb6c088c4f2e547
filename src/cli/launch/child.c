/* SPDX-License-Identifier: MIT */
/* Signals, while the program runs: the terminal sends SIGINT and SIGQUIT to both of us, and it is the program that
 * decides what they mean, so they are ignored here. SIGTERM and SIGHUP come to this process alone when somebody means
 * the program: they are handed on. All are blocked from before fork until that is set up, so none is lost.
 */
#include "cli/launch/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/base/message.h"

static volatile sig_atomic_t child_id; /* 0: none, or already collected */

static void hand_on(int signal_number)
{
    int saved = errno;
    if (child_id != 0)
        kill((pid_t)child_id, signal_number);
    errno = saved;
}

static const int ignored_signals[] = {SIGINT, SIGQUIT};
static const int forwarded_signals[] = {SIGTERM, SIGHUP};

static void block_signals(sigset_t *before)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    for (size_t i = 0; i < 2; i++) {
        sigaddset(&blocked, ignored_signals[i]);
        sigaddset(&blocked, forwarded_signals[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, before);
}

/* A signal that was ignored when we were started (nohup) stays so, for us and for the program. */
static void set_dispositions(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, present;
    struct sigaction forward = {.sa_handler = hand_on, .sa_flags = SA_RESTART};
    for (size_t i = 0; i < 2; i++) {
        sigaction(ignored_signals[i], &ignore, NULL);
        if (sigaction(forwarded_signals[i], NULL, &present) == 0 && present.sa_handler != SIG_IGN)
            sigaction(forwarded_signals[i], &forward, NULL);
    }
}

/* What a signal does here, such as take away a file that is being written, it does not do in the program. */
static void drop_handlers(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL}, present;
    for (size_t i = 0; i < 2; i++) {
        const int numbers[] = {ignored_signals[i], forwarded_signals[i]};
        for (size_t k = 0; k < 2; k++) {
            if (sigaction(numbers[k], NULL, &present) == 0 && present.sa_handler != SIG_IGN)
                sigaction(numbers[k], &usual, NULL);
        }
    }
}

static _Noreturn void become_program(const struct program *program, int report)
{
    execv(program->path, program->words);
    int error = errno;
    ssize_t ignored = write(report, &error, sizeof error);
    (void)ignored; /* nobody reads: we have no parent any more */
    _exit(EXIT_CANNOT_RUN);
}

/* fork, with the signals as described above; the child goes on in become_program. The id, or -1 with errno. */
static pid_t fork_program(const struct program *program, int report)
{
    struct sigaction usual = {.sa_handler = SIG_DFL}, child_signal;
    sigset_t mask;
    sigaction(SIGCHLD, &usual, &child_signal); /* where it is ignored, the child's status would be lost */
    block_signals(&mask);
    pid_t child = fork();
    if (child == 0) {
        sigaction(SIGCHLD, &child_signal, NULL);
        drop_handlers();
        sigprocmask(SIG_SETMASK, &mask, NULL);
        become_program(program, report);
    }
    int saved = errno;
    child_id = child > 0 ? child : 0;
    set_dispositions();
    sigprocmask(SIG_SETMASK, &mask, NULL);
    errno = saved;
    return child;
}

/* What the child reports before it ends: errno of exec. 0 where exec went well, which closes the pipe. */
static int read_report(int report)
{
    int error = 0;
    ssize_t bytes;
    do
        bytes = read(report, &error, sizeof error);
    while (bytes < 0 && errno == EINTR);
    return bytes == (ssize_t)sizeof error ? error : 0;
}

int gci_child_start(const struct program *program, pid_t *child)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return gci_message_fail(EXIT_OWN_FAILURE, program->path, "cannot start it: %s", strerror(errno));
    *child = fork_program(program, report[1]);
    int error = *child < 0 ? errno : 0;
    close(report[1]);
    if (*child > 0)
        error = read_report(report[0]);
    close(report[0]);
    if (*child < 0)
        return gci_message_fail(EXIT_OWN_FAILURE, program->path, "cannot start it: %s", strerror(error));
    if (error == 0)
        return 0;
    child_id = 0;
    waitpid(*child, NULL, 0);
    return gci_message_fail(EXIT_CANNOT_RUN, program->path, "cannot be executed: %s", strerror(error));
}

/* The child stays a zombie until no signal can be handed on to its id any more. */
int gci_child_wait(pid_t child)
{
    siginfo_t ended;
    int status = 0;
    while (waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT) != 0 && errno == EINTR)
        continue;
    child_id = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

/* A core file would be one of ours, which nobody wants. */
int gci_child_pass_on(int status)
{
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status);
    int number = WTERMSIG(status);
    struct rlimit none = {0, 0};
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t only;
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L); /* a core handler behind a pipe does not look at the limit */
    sigaction(number, &usual, NULL);
    sigemptyset(&only);
    sigaddset(&only, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    return 128 + number;
}
